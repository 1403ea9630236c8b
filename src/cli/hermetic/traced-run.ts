import { randomBytes } from 'node:crypto'
import { posix } from 'node:path'
import type { CasClient } from '../../client/cas.ts'
import { wireDigest } from '../../client/context.ts'
import { runUncached } from '../../client/rerun.ts'
import type { ActionRecord, BuildHistory } from '../../core/build-history.ts'
import { digestText } from '../../core/digest.ts'
import { Failure } from '../../core/failure.ts'
import { digestOf } from '../../core/hash.ts'
import { effectivePlatform, isHint } from '../../core/platform.ts'
import { printable } from '../../core/printable.ts'
import { readTrace, type Traced, tracedCalls } from '../../explain/trace.ts'
import { re } from '../../wire/proto.ts'
import type { Channel } from '../../wire/rpc.ts'

/** What an action did when it ran again under strace. */
export interface TracedRun {
  readonly traced: Traced
  /** Its environment variables. */
  readonly variables: Readonly<Record<string, string>>
  /** Its outputs, including those of the trace. */
  readonly result: re.ActionResult.$Properties
}

export interface TracingServers {
  readonly cas: CasClient
  readonly scheduler: Channel
  readonly history: BuildHistory
  readonly metadata: Readonly<Record<string, string>>
  readonly signal: AbortSignal
}

const traceBytesMax = 64 * 1024 * 1024
const stderrBytesMax = 1024 * 1024
const lineCharactersMax = 200

/**
 * Runs an action again, traced by its worker's strace.
 * @param exitCode of the original run: if this one's differs, it has not done the same
 * @throws Failure or RpcError if it cannot be run, cannot be traced, or ends differently
 */
export async function runTraced(
  { cas, scheduler, history, metadata, signal }: TracingServers,
  { digest, instance }: ActionRecord,
  exitCode: number,
): Promise<TracedRun> {
  const action = re.Action.decode(await messageOr(history, digest, 'the Action'))
  const commandDigest = {
    fn: digest.fn,
    hash: action.commandDigest?.hash ?? '',
    size: action.commandDigest?.sizeBytes ?? 0,
  }
  const command = re.Command.decode(await messageOr(history, commandDigest, 'the Command'))
  const trace = `.native-trace-${randomBytes(8).toString('hex')}`
  const content = re.Command.encode(tracedCommand(command, trace)).finish()
  const again = {
    commandDigest: wireDigest(digestOf(digest.fn, content)),
    inputRootDigest: action.inputRootDigest ?? null,
    platform: tracedPlatform(effectivePlatform(action.platform?.properties ?? [], command.platform?.properties ?? [])),
  }
  const { result, error } = await runUncached(cas, scheduler, again, [content], {
    client: { instance, metadata },
    signal,
  })
  if (error) throw error
  const text = await outputText(cas, result, trace, signal)
  const where = await outputText(cas, result, `${trace}.cwd`, signal)
  if (text === undefined || where === undefined)
    throw new Failure('precondition', 'the worker has no strace in /usr/bin, or may not trace')
  const ended = result.exitCode ?? 0
  if (ended !== exitCode) {
    const line = await lastLineOfStderr(cas, result, signal)
    const said = line === '' ? '' : `: ${line}`
    throw new Failure('program', `it ended with exit code ${ended} when traced, and with ${exitCode} before${said}`)
  }
  const variables = Object.fromEntries(
    (command.environmentVariables ?? []).map(({ name, value }) => [name ?? '', value ?? '']),
  )
  return { traced: readTrace(text, rootOf(where.trimEnd(), command.workingDirectory ?? '')), variables, result }
}

async function messageOr(history: BuildHistory, digest: ActionRecord['digest'], what: string): Promise<Uint8Array> {
  const bytes = await history.blob(digest)
  if (bytes) return bytes
  throw new Failure('not-found', `${what} is no longer kept`, { where: digestText(digest) })
}

/** Traced actions run on their own, not in a persistent tool. */
function tracedPlatform(properties: readonly re.Platform.Property.$Properties[]): re.Platform.$Properties {
  const pairs = properties.map(({ name, value }) => ({ name: name ?? '', value: value ?? '' }))
  return { properties: pairs.filter((each) => !isHint(each)) }
}

function tracedCommand(command: re.Command, trace: string): re.Command.$Properties {
  const strace = ['-f', '-qq', '-s', '4096', '-e', tracedCalls, '-o', trace, '--']
  // The action's folder is told apart from the machine's by its path, which only the worker knows.
  const script = 'pwd -P >"$0.cwd" && unset PWD OLDPWD && exec /usr/bin/strace "$@"'
  const added = [trace, `${trace}.cwd`]
  return {
    ...command,
    platform: null,
    arguments: ['/bin/sh', '-c', script, trace, ...strace, ...command.arguments],
    ...(command.outputPaths.length > 0 || command.outputFiles.length + command.outputDirectories.length === 0
      ? { outputPaths: [...command.outputPaths, ...added].sort() }
      : { outputFiles: [...command.outputFiles, ...added].sort() }),
  }
}

function rootOf(cwd: string, working: string): string {
  const depth = posix
    .normalize(working)
    .split('/')
    .filter((part) => part !== '' && part !== '.').length
  return depth === 0 ? cwd : cwd.split('/').slice(0, -depth).join('/')
}

async function outputText(
  cas: CasClient,
  result: re.ActionResult.$Properties,
  path: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const digest = result.outputFiles?.find((each) => each.path === path)?.digest
  if (!digest) return undefined
  const size = digest.sizeBytes ?? 0
  if (size > traceBytesMax) throw new Failure('exhausted', `the trace has more than ${traceBytesMax} bytes`)
  return Buffer.from(await cas.readBlob({ fn: cas.fn, hash: digest.hash ?? '', size }, signal)).toString('latin1')
}

async function lastLineOfStderr(
  cas: CasClient,
  { stderrRaw, stderrDigest }: re.ActionResult.$Properties,
  signal: AbortSignal,
): Promise<string> {
  let bytes = stderrRaw ?? new Uint8Array()
  const size = stderrDigest?.sizeBytes ?? 0
  if (bytes.length === 0 && stderrDigest && size <= stderrBytesMax)
    bytes = await cas.readBlob({ fn: cas.fn, hash: stderrDigest.hash ?? '', size }, signal)
  const line = Buffer.from(bytes).toString('utf8').trimEnd().split('\n').at(-1) ?? ''
  return printable(line.trim(), lineCharactersMax)
}
