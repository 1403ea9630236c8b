import { stat } from 'node:fs/promises'
import { type RunReport, type RunRequest, runRemotely } from '../client/run.ts'
import type { Addresses } from '../cluster/driver.ts'
import { digestText } from '../core/digest.ts'
import { errnoOf, Failure } from '../core/failure.ts'
import { sizeText } from '../core/units.ts'
import { openChannel } from '../wire/channel.ts'

/** What `native exec` was asked for. */
export interface ExecRequest extends Omit<RunRequest, 'env'> {
  /** `NAME=value` each. */
  readonly variables: readonly string[]
}

export interface ExecOutput {
  /** One JSON value on stdout in place of the command's own streams. */
  readonly json: boolean
  readonly stdout: NodeJS.WritableStream
  readonly stderr: NodeJS.WritableStream
}

/** What a command may use where nobody says otherwise. */
const usualPath = '/usr/local/bin:/usr/bin:/bin'

/**
 * Runs one command on a cluster, its streams passed on; answers its exit code.
 * @throws Failure for bad input; RpcError when it could not be run to its end
 */
export async function runOnCluster(addresses: Addresses, request: ExecRequest, output: ExecOutput): Promise<number> {
  const env = environment(request.variables)
  if (request.inputFolder !== undefined) await assertFolder(request.inputFolder)
  const cache = openChannel(addresses.cache.url)
  const scheduler = openChannel(addresses.scheduler.url)
  const kept: Record<'stdout' | 'stderr', Uint8Array[]> = { stdout: [], stderr: [] }
  try {
    const report = await runRemotely(
      cache,
      scheduler,
      { ...request, env },
      {
        onOutput: (stream, bytes) => {
          if (output.json) kept[stream].push(bytes)
          else output[stream].write(bytes)
        },
      },
    )
    if (report.error) throw report.error
    if (output.json) output.stdout.write(`${JSON.stringify(reportJson(report, kept), null, 2)}\n`)
    else output.stderr.write(`native: ${reportText(report)}\n`)
    return report.exitCode
  } finally {
    cache.close()
    scheduler.close()
  }
}

function environment(variables: readonly string[]): Record<string, string> {
  const env: Record<string, string> = { PATH: usualPath }
  for (const text of variables) {
    const at = text.indexOf('=')
    if (at <= 0) throw new Failure('invalid', `"${text}" is no variable: write it as NAME=value`, { where: '--env' })
    env[text.slice(0, at)] = text.slice(at + 1)
  }
  return env
}

/** oclif could check this as well, but its error has no kind, and so no exit code. */
async function assertFolder(folder: string): Promise<void> {
  try {
    if ((await stat(folder)).isDirectory()) return
  } catch (cause) {
    if (errnoOf(cause) !== 'ENOENT') throw cause
    throw new Failure('not-found', `there is no folder "${folder}"`, { where: '--input', cause })
  }
  throw new Failure('invalid', `"${folder}" is no folder`, { where: '--input' })
}

function reportText({ cached, worker, ranMs, uploaded, exitCode }: RunReport): string {
  const where = cached
    ? `cached (it once ran on ${worker || 'an unnamed worker'})`
    : `executed on ${worker || 'an unnamed worker'} in ${Math.round(ranMs)} ms`
  const sent = `uploaded ${uploaded.blobs} of ${uploaded.blobs + uploaded.present} blobs, ${sizeText(uploaded.bytes)}`
  return `${where}; ${sent}; exit code ${exitCode}`
}

function reportJson(report: RunReport, streams: Record<'stdout' | 'stderr', Uint8Array[]>): object {
  const { exitCode, cached, worker, ranMs, uploaded, outputs } = report
  return {
    exitCode,
    cached,
    worker,
    ranMs,
    action: digestText(report.action),
    uploaded: { blobs: uploaded.blobs, bytes: uploaded.bytes, present: uploaded.present },
    outputs: outputs ?? null,
    stdout: Buffer.concat(streams.stdout).toString(),
    stderr: Buffer.concat(streams.stderr).toString(),
  }
}
