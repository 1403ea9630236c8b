import { randomUUID } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { posix } from 'node:path'
import { requestMetadata } from '../client/request-metadata.ts'
import { type RunReport, type RunRequest, runRemotely } from '../client/run.ts'
import type { Addresses } from '../cluster/addresses.ts'
import { systemClock } from '../core/clock.ts'
import { digestText } from '../core/digest.ts'
import { errnoOf, Failure } from '../core/failure.ts'
import { printable } from '../core/printable.ts'
import { sizeText } from '../core/units.ts'
import { showExec } from './exec-progress.ts'
import { explainMissing } from './looked-for.ts'
import { openMade } from './made.ts'
import { openReached } from './reached.ts'
import { withStdinFile } from './stdin.ts'
import { columnsFor } from './terminal.ts'
import { wrapped } from './wrap.ts'

/** The arguments of `native exec`. */
export interface ExecRequest
  extends Omit<RunRequest, 'env' | 'stdinFile' | 'signal' | 'mayReplace' | 'outputFolder' | 'metadata'> {
  /** The release, sent to servers. */
  readonly version: string
  /** `NAME=value` each. */
  readonly variables: readonly string[]
  /** The folder that records what exec created. */
  readonly cache: string
  /** Replace whatever is in an output's place, whoever created it. */
  readonly force: boolean
  /** Becomes the command's standard input, in full. */
  readonly stdin?: NodeJS.ReadableStream
  readonly outputFolder: string
  /** If it fails, run it again to report which files it looked for in vain. */
  readonly explainMissing: boolean
  readonly signal: AbortSignal
}

export interface ExecOutput {
  /** Print one JSON value on stdout instead of the command's own streams. */
  readonly json: boolean
  readonly stdout: NodeJS.WritableStream
  readonly stderr: NodeJS.WriteStream
  /** May progress be redrawn in place? */
  readonly live: boolean
}

/** The PATH of a command, unless specified otherwise. */
const usualPath = '/usr/local/bin:/usr/bin:/bin'

/**
 * Runs one command on a cluster and forwards its streams; returns its exit code.
 * @throws Failure for bad input; RpcError if it could not be run to completion
 */
export async function runOnCluster(addresses: Addresses, request: ExecRequest, output: ExecOutput): Promise<number> {
  const { stdin, variables, cache, force, explainMissing: explains, version, ...rest } = request
  const metadata = requestMetadata({ tool: 'native', toolVersion: version, invocation: randomUUID(), mnemonic: 'exec' })
  const env = environment(variables)
  if (rest.inputFolder !== undefined) await assertFolder(rest.inputFolder)
  const outputPaths = rest.outputPaths.map(plainPath)
  const made = outputPaths.length === 0 ? undefined : await openMade(cache, rest.outputFolder)
  const run = {
    ...rest,
    metadata,
    env,
    outputPaths,
    mayReplace: (path: string) => force || made?.isOurs(path) === true,
  }
  const present = async (finished: RunRequest) => {
    const report = await runAndPresent(addresses, finished, output, explains)
    if (report.outputs && report.outputs.paths.length > 0) await made?.add(report.outputs.paths)
    assertAllMade(report)
    return report.exitCode
  }
  if (!stdin) return present(run)
  return withStdinFile(stdin, run.signal, (stdinFile) => present({ ...run, stdinFile }))
}

/** `./a/` means `a`, and `.` the whole folder; paths that lead outside are unchanged, and refused later. */
function plainPath(path: string): string {
  if (path === '') throw new Failure('invalid', 'the path of an output is empty', { where: '--output' })
  const plain = posix.normalize(path)
  return plain === '.' || plain === './' ? '' : plain.replace(/(?<=.)\/$/, '')
}

/**
 * A command that succeeded without creating a requested output has not done its job.
 * @throws Failure 'not-found'
 */
function assertAllMade({ exitCode, difference: { found, missing } }: RunReport): void {
  if (exitCode !== 0 || missing.length === 0) return
  throw new Failure('not-found', `the command did not create ${missing.map(quoted).join(', ')}`, {
    where: '--output',
    next: [
      found.length === 0 ? 'It created none of the requested outputs.' : `It created ${found.map(quoted).join(', ')}.`,
      'Paths are relative to the folder in which the command starts, which has the contents of --input.',
    ],
  })
}

function quoted(path: string): string {
  return JSON.stringify(path || '.')
}

async function runAndPresent(
  addresses: Addresses,
  request: RunRequest,
  output: ExecOutput,
  explains: boolean,
): Promise<RunReport> {
  const cache = await openReached(addresses.cache)
  const scheduler = await openReached(addresses.scheduler)
  const kept: Record<'stdout' | 'stderr', Uint8Array[]> = { stdout: [], stderr: [] }
  const progress = showExec(output.stderr, systemClock, output.live)
  try {
    const report = await runRemotely(cache, scheduler, request, {
      ...(!output.json && progress.events),
      onOutput: (stream, bytes) => {
        if (output.json) return void kept[stream].push(bytes)
        progress.clear()
        output[stream].write(bytes)
      },
    })
    progress.end()
    if (report.error) throw report.error
    if (output.json) output.stdout.write(`${JSON.stringify(reportJson(report, kept), null, 2)}\n`)
    else output.stderr.write(lines([...remarks(report), ...shellRemark(report, request)], output.stderr))
    if (explains && report.exitCode !== 0)
      output.stderr.write(lines(await explainMissing(cache, scheduler, request), output.stderr))
    return report
  } finally {
    progress.end()
    cache.close()
    scheduler.close()
  }
}

/** Wrapped if the stream is a terminal. */
function lines(texts: readonly string[], stream: NodeJS.WriteStream): string {
  return texts.map((each) => `${wrapped(`native: ${each}`, columnsFor(stream))}\n`).join('')
}

function environment(variables: readonly string[]): Record<string, string> {
  const env: Record<string, string> = { PATH: usualPath }
  for (const text of variables) {
    const at = text.indexOf('=')
    if (at <= 0) throw new Failure('invalid', `"${text}" is not a variable: write it as NAME=value`, { where: '--env' })
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
  throw new Failure('invalid', `"${folder}" is not a folder`, { where: '--input' })
}

/** A report on what the command did; names come from the cache, where others may have written them. */
function remarks(report: RunReport): string[] {
  const { unasked, missing } = report.difference
  const listed = (paths: readonly string[]) => printable(paths.map(quoted).join(', '))
  return [
    ...causeOf(report),
    reportText(report),
    ...(unasked.length > 0 ? [`not written, because it was not requested: ${listed(unasked)}`] : []),
    ...(missing.length > 0 && report.exitCode !== 0 ? [`the command did not create ${listed(missing)}`] : []),
  ]
}

/** A shell's exit code for a program that does not exist. */
const notFoundCode = 127

/** Whoever writes a whole command line as one word expects a shell to read it. */
function shellRemark({ exitCode }: RunReport, { argv }: RunRequest): string[] {
  const [line = ''] = argv
  if (exitCode !== notFoundCode || argv.length !== 1 || !/\s/.test(line)) return []
  return [`no shell is in between: for a command line in one word, write -- sh -c '...'`]
}

/** What the worker says of it: why it failed, in which image it ran. The last line is the scheduler's: shown anyway. */
function causeOf({ message }: RunReport): string[] {
  return message
    .split('\n')
    .slice(0, -1)
    .map((line) => printable(line))
}

function reportText({ cached, worker, ranMs, uploaded, uploadMs, exitCode }: RunReport): string {
  const name = printable(worker) || 'an unnamed worker'
  const where = cached ? `cached (it once ran on ${name})` : `executed on ${name} in ${timeText(ranMs)}`
  const sent = `uploaded ${uploaded.blobs} of ${uploaded.blobs + uploaded.present} blobs, ${sizeText(uploaded.bytes)} in ${timeText(uploadMs)}`
  return `${where}; ${sent}; exit code ${exitCode}`
}

/** `12 ms`, `3.4 s`; a duration too short to measure is still shown as more than zero. */
function timeText(ms: number): string {
  return ms < 1000 ? `${Math.max(1, Math.round(ms))} ms` : `${(ms / 1000).toFixed(1)} s`
}

function reportJson(report: RunReport, streams: Record<'stdout' | 'stderr', Uint8Array[]>): object {
  const { exitCode, cached, worker, ranMs, used, uploaded, outputs } = report
  return {
    exitCode,
    cached,
    worker,
    ranMs,
    resources: {
      userMs: used.userMs ?? null,
      systemMs: used.systemMs ?? null,
      peakMemoryBytes: used.peakMemoryBytes ?? null,
    },
    action: digestText(report.action),
    uploaded: { blobs: uploaded.blobs, bytes: uploaded.bytes, present: uploaded.present },
    outputs: outputs
      ? { files: outputs.files, directories: outputs.directories, symlinks: outputs.symlinks, bytes: outputs.bytes }
      : null,
    missing: report.difference.missing,
    stdout: Buffer.concat(streams.stdout).toString(),
    stderr: Buffer.concat(streams.stderr).toString(),
  }
}
