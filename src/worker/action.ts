import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { CasClient } from '../client/cas.ts'
import { wireDigest } from '../client/context.ts'
import type { Clock } from '../core/clock.ts'
import { type Digest, digestFromWire, digestFunctions } from '../core/digest.ts'
import { Failure } from '../core/failure.ts'
import { messageBytesMax } from '../core/limits.ts'
import { re } from '../wire/proto.ts'
import { Code, RpcError } from '../wire/rpc.ts'
import { statusMessage } from '../wire/status.ts'
import { toDuration } from '../wire/time.ts'
import { actionError } from './action-error.ts'
import type { Content } from './content.ts'
import { InputsChanged, makeInputs, removeInputs, returnInputs } from './inputs.ts'
import type { Messages } from './messages.ts'
import { checkNodeProperties } from './node-properties.ts'
import { makeOutputParents, wantedOutputs, workingSegments } from './output-paths.ts'
import { collectOutputs, collectStream, inlineFiles } from './outputs.ts'
import { removeTree } from './remove.ts'
import { type Run, run } from './runner.ts'
import { removeFile } from './sealed.ts'
import type { Spawner } from './spawner.ts'
import { createTimes, type Times } from './times.ts'

/** What every action of one worker shares. */
export interface Workshop {
  readonly worker: string
  readonly cas: CasClient
  readonly content: Content
  readonly messages: Messages
  readonly spawner: Spawner
  readonly clock: Clock
  /** Holds the actions' folders; a real path. */
  readonly directory: string
}

/** One action as the scheduler assigned it. */
export interface Assignment {
  readonly action: re.Action
  readonly digest: Digest
  readonly queuedAt: number | undefined
  readonly timeoutMs: number
  readonly inlineStdout: boolean
  readonly inlineStderr: boolean
  readonly inlineOutputFiles: readonly string[]
  /** Command and Directories, as far as they came with it. */
  readonly blobs: readonly Uint8Array[]
  /** Unique among those of this worker; names its folder. */
  readonly number: number
  /** Kills it. */
  readonly signal: AbortSignal
  readonly onStarted: () => void
  readonly onOutput: (stream: 'stdout' | 'stderr', data: Uint8Array) => void
}

/** How often an action runs anew because another has changed an input under its hands. */
const attemptsMax = 3
/** What may stand in a result itself; the message around it stays under 4 MiB. */
const inlineBytesMax = 1024 * 1024
const responseBytesMax = messageBytesMax - 64 * 1024

/** An action that has its answer. */
export interface Performed {
  readonly response: re.ExecuteResponse.$Properties
  /** Removes the action's folder. Nobody who waits for the answer should wait for this too. */
  tidy(): void
}

/**
 * Does all that an action needs: fetches its inputs, runs it, uploads what it made.
 * Never throws: what goes wrong is the response's status (rule 24), with the times of what was
 * done until then (rule 42).
 */
export async function performAction(shop: Workshop, assignment: Assignment): Promise<Performed> {
  const times = createTimes(shop.clock, shop.worker, assignment.queuedAt)
  const leftovers: (() => void)[] = []
  const tidy = () => {
    for (const remove of leftovers.splice(0)) remove()
  }
  try {
    const response = await perform(shop, assignment, times, leftovers)
    return { response: bounded(response), tidy }
  } catch (error) {
    const status = actionError(error, assignment.signal)
    return { response: { status: statusMessage(status), result: { executionMetadata: times.finish() } }, tidy }
  }
}

/** @param leftovers gets what removes the last attempt's folder */
async function perform(
  shop: Workshop,
  assignment: Assignment,
  times: Times,
  leftovers: (() => void)[],
): Promise<re.ExecuteResponse.$Properties> {
  const { digest, action } = assignment
  // All blobs of an action are named by the function that names the action: BLAKE3 could not be
  // told by the length of a hash (rule 4).
  const { value } = digestFunctions[digest.fn]
  const commandDigest = digestFromWire(action.commandDigest, value, 'command_digest')
  const inputRoot = digestFromWire(action.inputRootDigest, value, 'input_root_digest')
  for (let attempt = 1; ; attempt += 1) {
    const response = await attemptOnce(shop, assignment, commandDigest, inputRoot, times, leftovers)
    if (response) return response
    for (const remove of leftovers.splice(0)) remove()
    if (attempt >= attemptsMax)
      throw new Failure('unavailable', 'other actions kept changing the inputs of this one while it ran')
  }
}

/** Runs it once; undefined when nobody knows what inputs it has seen. */
async function attemptOnce(
  shop: Workshop,
  assignment: Assignment,
  commandDigest: Digest,
  inputRoot: Digest,
  times: Times,
  leftovers: (() => void)[],
): Promise<re.ExecuteResponse.$Properties | undefined> {
  const { signal } = assignment
  const root = join(shop.directory, String(assignment.number))
  times.mark('inputFetchStart')
  const { command, directories } = await shop.messages.load(commandDigest, inputRoot, assignment.blobs, signal)
  checkNodeProperties(command)
  const working = workingSegments(command)
  const wanted = wantedOutputs(command, working)
  assertWorkingDirectory(directories, inputRoot, working)
  let held: Awaited<ReturnType<typeof makeInputs>>
  try {
    held = await makeInputs(root, inputRoot, directories, shop.content)
  } catch (error) {
    if (error instanceof InputsChanged) return undefined
    throw error
  }
  const streams = { stdout: `${root}.out`, stderr: `${root}.err` }
  leftovers.push(() => {
    removeInputs(root, held)
    removeFile(streams.stdout)
    removeFile(streams.stderr)
  })
  let tainted = false
  let response: re.ExecuteResponse.$Properties
  try {
    makeOutputParents(root, wanted)
    times.mark('inputFetchCompleted')
    signal.throwIfAborted()
    assignment.onStarted()
    const cwd = join(root, ...working)
    times.mark('executionStart')
    const ran = await run({ ...assignment, ...shop, ...streams, command, root, cwd })
    times.set('executionStart', ran.startedAt)
    times.set('executionCompleted', ran.endedAt)
    if (ran.outcome === 'killed') signal.throwIfAborted()
    response = await respond(shop, assignment, { command, root, wanted, streams, ran }, times)
  } finally {
    tainted = await returnInputs(held, shop.content)
  }
  return tainted ? undefined : response
}

interface Made {
  readonly command: re.Command
  readonly root: string
  readonly wanted: ReturnType<typeof wantedOutputs>
  readonly streams: { readonly stdout: string; readonly stderr: string }
  readonly ran: Run
}

/** Uploads what is wanted of an action that ran, and makes its result. */
async function respond(
  shop: Workshop,
  assignment: Assignment,
  made: Made,
  times: Times,
): Promise<re.ExecuteResponse.$Properties> {
  const { fn } = assignment.digest
  const { ran } = made
  times.mark('outputUploadStart')
  const stdout = await collectStream(made.streams.stdout, fn)
  const stderr = await collectStream(made.streams.stderr, fn)
  const timedOut = ran.outcome === 'timeout'
  // What a killed action left half written is no output; what it said may help (rule 31).
  const outputs = await collectOutputs({
    fn,
    command: made.command,
    root: made.root,
    wanted: timedOut ? [] : made.wanted,
  })
  await shop.cas.uploadMissing([stdout.source, stderr.source, ...outputs.sources], assignment.signal)
  inlineFiles(outputs, assignment.inlineOutputFiles, inlineBytesMax)
  times.mark('outputUploadCompleted')
  const result: re.ActionResult.$Properties = {
    ...outputs.result,
    exitCode: ran.exitCode,
    stdoutDigest: wireDigest(stdout.digest),
    stderrDigest: wireDigest(stderr.digest),
    ...(assignment.inlineStdout && { stdoutRaw: inlined(stdout.source.content) }),
    ...(assignment.inlineStderr && { stderrRaw: inlined(stderr.source.content) }),
    executionMetadata: { ...times.finish(), virtualExecutionDuration: toDuration(ran.endedAt - ran.startedAt) },
  }
  if (!timedOut) return { result, status: { code: Code.OK } }
  const error = new RpcError(
    Code.DEADLINE_EXCEEDED,
    `the action was killed after its time-out of ${assignment.timeoutMs} ms`,
  )
  return { result, status: statusMessage(error), message: error.message }
}

/** Small streams stand in memory anyway; larger ones are named by digest alone. */
function inlined(content: Uint8Array | string): Uint8Array {
  return typeof content === 'string' ? new Uint8Array() : content
}

/** A result that fits no message loses what was inlined, and is refused if it still does not. */
function bounded(response: re.ExecuteResponse.$Properties): re.ExecuteResponse.$Properties {
  const size = () => re.ExecuteResponse.encode(response).finish().byteLength
  const { result } = response
  if (!result || (result.outputFiles ?? []).length < 1000 || size() <= responseBytesMax) return response
  result.stdoutRaw = null
  result.stderrRaw = null
  for (const file of result.outputFiles ?? []) file.contents = null
  if (size() <= responseBytesMax) return response
  throw new Failure('exhausted', 'the action has more outputs than fit one message of 4 MiB', {
    next: ['Name a directory as output rather than each file in it.'],
  })
}

/** The working directory has to be in the input tree (rule 37), as a directory. */
function assertWorkingDirectory(
  directories: ReadonlyMap<string, re.Directory>,
  inputRoot: Digest,
  working: readonly string[],
): void {
  let key = `${inputRoot.hash}/${inputRoot.size}`
  for (const segment of working) {
    const node = directories.get(key)?.directories.find((each) => each.name === segment)
    if (!node)
      throw new Failure('invalid', 'working_directory is not a directory of the input root', {
        where: working.join('/'),
      })
    key = `${node.digest?.hash ?? ''}/${node.digest?.sizeBytes ?? 0}`
  }
}

/** Makes the folder for the actions' folders, empty: what a dead worker left there goes. */
export function emptyWorkFolder(directory: string): void {
  removeTree(directory)
  mkdirSync(directory, { recursive: true })
}
