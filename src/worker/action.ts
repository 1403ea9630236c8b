import { join } from 'node:path'
import { type Digest, digestFromWire, digestFunctions } from '../core/digest.ts'
import { Failure } from '../core/failure.ts'
import { assertLimitsSuffice, limitsIn } from '../core/limit-properties.ts'
import { effectivePlatform, networkProperty, type PlatformProperty } from '../core/platform.ts'
import type { re } from '../wire/proto.ts'
import { statusMessage } from '../wire/status.ts'
import { actionError, isMachineError } from './action-error.ts'
import { type Answer, bounded, respond } from './action-response.ts'
import type { Assignment } from './assignment.ts'
import { InputsChanged } from './copies.ts'
import { holdImage } from './images/action-image.ts'
import { type Inputs, makeInputs, removeInputs, returnInputs } from './inputs.ts'
import { limitsFor } from './limits/requested.ts'
import { checkNodeProperties } from './node-properties.ts'
import { declaredOutputs, makeOutputParents, makeWorkingDirectory, workingSegments } from './output-paths.ts'
import type { ToolUse } from './persistent/persistent-tools.ts'
import { environmentOf, run } from './runner.ts'
import type { Sinks } from './slot-process.ts'
import { createSink } from './stream.ts'
import { createTimes, type Times } from './times.ts'
import type { WorkerContext } from './worker-context.ts'

/**
 * How often an action is attempted: meanwhile shared inputs may be changed, and cached ones or a persistent tool lost.
 */
const attemptsMax = 3

/** An action that has its answer. */
export interface Performed extends Answer {
  /** Removes the action's folder, or has it removed. Nobody who waits for the answer need wait for this. */
  tidy(): Promise<void>
}

/**
 * Does everything for an action: fetches its inputs, runs it, uploads its outputs. Never throws: errors become the
 * response's status (rule 24), with the times of what was done until then (rule 42).
 */
export async function performAction(context: WorkerContext, assignment: Assignment): Promise<Performed> {
  const times = createTimes(context.clock, context.worker, assignment.queuedAt)
  const leftovers: (() => Promise<void>)[] = []
  const tidy = async () => {
    for (const remove of leftovers.splice(0)) await remove()
  }
  try {
    const { response, killedAtMemory } = await perform(context, assignment, times, leftovers)
    return { response: bounded(response), killedAtMemory, tidy }
  } catch (error) {
    const status = actionError(error, assignment.signal)
    if (isMachineError(error)) context.onTrouble(error)
    return { response: { status: statusMessage(status), result: { executionMetadata: times.finish() } }, tidy }
  }
}

/** What runs the action: a process of its own, or a persistent tool, which may have run other actions before. */
type Way = 'plain' | 'tool' | 'fresh tool'

/** One attempt to run an action. */
interface Attempt {
  readonly context: WorkerContext
  readonly assignment: Assignment
  readonly times: Times
  /** Collects functions that remove what the attempt leaves. */
  readonly leftovers: (() => Promise<void>)[]
  readonly commandDigest: Digest
  readonly inputRoot: Digest
  /** The action's folder, which the attempt creates. */
  readonly root: string
  readonly way: Way
}

/** @param leftovers collects what removes the last attempt's folder */
async function perform(
  context: WorkerContext,
  assignment: Assignment,
  times: Times,
  leftovers: (() => Promise<void>)[],
): Promise<Answer> {
  const { digest, action } = assignment
  // All blobs of an action use the digest function of the action's own digest: BLAKE3 could not be recognised by the
  // length of a hash (rule 4).
  const { value } = digestFunctions[digest.fn]
  const commandDigest = digestFromWire(action.commandDigest, value, 'command_digest')
  const inputRoot = digestFromWire(action.inputRootDigest, value, 'input_root_digest')
  if (!(await context.remover.room(assignment.signal)))
    throw new Failure('unavailable', 'what earlier actions left on this worker takes too long to remove')
  let way: Way = 'tool'
  for (let attempt = 1; ; attempt += 1) {
    // The folder of an earlier attempt may still be there.
    const root = join(context.directory, attempt === 1 ? `${assignment.number}` : `${assignment.number}-${attempt}`)
    const made = await attemptOnce({ context, assignment, times, leftovers, commandDigest, inputRoot, root, way })
    if (typeof made === 'object') return made
    for (const remove of leftovers.splice(0)) await remove()
    if (made === 'plainly') way = 'plain'
    else if (made === 'again') way = 'fresh tool'
    if (attempt >= attemptsMax)
      throw new Failure(
        'unavailable',
        made === 'again'
          ? 'the persistent process of this action was lost repeatedly'
          : 'others kept changing the cached inputs of this action',
      )
  }
}

/**
 * Runs it once. 'changed': it is unknown which inputs it has seen; the other values are those of `work`
 * (persistent/work.ts).
 */
async function attemptOnce(attempt: Attempt): Promise<Answer | 'changed' | 'plainly' | 'again'> {
  const { context, assignment, times, leftovers, root } = attempt
  times.mark('inputFetchStart')
  const prepared = await prepare(attempt)
  const { tree, source, toolUse } = await inputsOf(attempt, prepared)
  if (toolUse) leftovers.push(() => toolUse.finish(root))
  let inputs: Inputs
  try {
    inputs = await makeInputs(root, tree.root, tree.directories, source, assignment.signal)
  } catch (error) {
    if (error instanceof InputsChanged) return 'changed'
    throw error
  }
  if (!toolUse) leftovers.push(() => removeInputs(root, inputs, source))
  const sinks = sinksOf(context, assignment)
  let touched = false
  let answer: Answer
  try {
    const made = await runAndRespond(attempt, prepared, toolUse, sinks)
    if (typeof made === 'string') return made
    answer = made
  } finally {
    await Promise.all([sinks.stdout.close(), sinks.stderr.close()])
    touched = returnInputs(inputs, source)
  }
  return touched ? 'changed' : answer
}

type Prepared = Awaited<ReturnType<typeof prepare>>

/** Fetches the messages that describe the action, and derives from them what is needed to run it. */
async function prepare({ context, assignment, leftovers, commandDigest, inputRoot }: Attempt) {
  const { action, blobs, signal } = assignment
  const { command, directories } = await context.messages.load(commandDigest, inputRoot, blobs, signal)
  checkNodeProperties(command)
  const working = workingSegments(command)
  const declared = declaredOutputs(command, working)
  const properties = propertiesOf(action, command)
  const network = properties.some(({ name, value }) => name === networkProperty && value === 'on')
  assertLimitsSuffice(properties)
  const limits = limitsFor(context.limits, limitsIn(properties))
  const image = await holdImage(context, properties, signal)
  if (image.held) leftovers.push(async () => image.held?.release())
  return { properties, command, env: environmentOf(command), working, declared, network, limits, directories, image }
}

/** All inputs; for an action that a persistent tool runs, all but the tool's own ones. */
async function inputsOf({ context, assignment, inputRoot, way }: Attempt, prepared: Prepared) {
  const { persistentTools, inputs } = context
  // A persistent tool sees the machine, not an image.
  const isPlain = way === 'plain' || prepared.image.held !== undefined
  const planned = { ...prepared, inputRoot }
  const toolUse = isPlain ? undefined : await persistentTools?.acquire(planned, way === 'fresh tool', assignment.signal)
  const whole = { root: inputRoot, directories: prepared.directories }
  return { tree: toolUse?.tree ?? whole, source: toolUse?.source ?? inputs, toolUse }
}

/** Runs an action whose inputs are in place, and makes its answer. */
async function runAndRespond(
  { context, assignment, times, root }: Attempt,
  { command, working, declared, network, limits, image }: Prepared,
  toolUse: ToolUse | undefined,
  sinks: Sinks,
): Promise<Answer | 'changed' | 'plainly' | 'again'> {
  makeWorkingDirectory(root, working)
  await makeOutputParents(root, declared)
  times.mark('inputFetchCompleted')
  assignment.signal.throwIfAborted()
  assignment.onStarted()
  const cwd = join(root, ...working)
  times.mark('executionStart')
  const options = { ...assignment, ...context, sinks, root, limits }
  const worked = toolUse
    ? await toolUse.work(options)
    : { run: await run({ ...options, command, cwd, network, image: image.held, imageEnvironment: image.environment }) }
  if (typeof worked === 'string') return worked
  const ran = worked.run
  times.set('executionStart', ran.startedAt)
  times.set('executionCompleted', ran.endedAt)
  if (ran.outcome === 'killed') assignment.signal.throwIfAborted()
  const quietly = toolUse?.quietly ?? ((act) => act())
  return respond(
    context,
    assignment,
    { command, root, declared, sinks, ran, limits, quietly, image: image.held },
    times,
  )
}

/** Older clients put the action's platform into the Command (rule 32). */
function propertiesOf(action: re.Action, command: re.Command.$Properties): PlatformProperty[] {
  const properties = effectivePlatform(action.platform?.properties ?? [], command.platform?.properties ?? [])
  return properties.map(({ name, value }) => ({ name: name ?? '', value: value ?? '' }))
}

function sinksOf({ clock, directory }: WorkerContext, { digest, onOutput }: Assignment): Sinks {
  const sink = (stream: 'stdout' | 'stderr') =>
    createSink({ fn: digest.fn, directory, clock, onData: (data) => onOutput(stream, data) })
  return { stdout: sink('stdout'), stderr: sink('stderr') }
}
