import { createActionsClient } from '../../client/actions.ts'
import { negotiate } from '../../client/capabilities.ts'
import { type CasClient, createCasClient } from '../../client/cas.ts'
import { compareResults, type OutputsCompared } from '../../client/compare-results.ts'
import type { ClientOptions } from '../../client/context.ts'
import { isOfMissing } from '../../client/execute.ts'
import { checkTool, requestMetadata } from '../../client/request-metadata.ts'
import { type Rerun, rerun } from '../../client/rerun.ts'
import type { ActionRecord } from '../../core/build-history.ts'
import { digestText } from '../../core/digest.ts'
import { Failure, messageOf } from '../../core/failure.ts'
import type { DifferentAction } from '../../core/output-difference.ts'
import { createSemaphore } from '../../core/semaphore.ts'
import { compareContents } from '../../explain/contents/compare.ts'
import { wasOnlyWorker } from '../../wire/elsewhere.ts'
import type { re } from '../../wire/proto.ts'
import { type Channel, RpcError } from '../../wire/rpc.ts'
import { concernOf, eachAction } from './each-action.ts'
import type { NotElsewhere, NotRun, RepeatReport } from './outcome.ts'
import type { Planned } from './plan.ts'

export interface CheckOptions {
  /** Actions run concurrently. */
  readonly jobs: number
  readonly signal: AbortSignal
  /** Called for every action that is finished. */
  readonly onDone: (progress: { readonly done: number; readonly different: number }) => void
}

const namedMax = 100
/** Concurrent comparisons, each with two files in memory. */
const comparedAtOnceMax = 2

/**
 * Runs actions again and compares their outputs with the result in the cache or, if there is none, with a further run.
 * The cache does not change.
 * @throws RpcError or Failure if a server is unreachable or refuses the caller before any action was finished
 */
export async function checkRepeatable(
  cache: Channel,
  scheduler: Channel,
  { build, actions, left }: Planned,
  options: CheckOptions,
): Promise<RepeatReport> {
  const openedFor = clientsOf(cache, options.signal)
  const semaphore = createSemaphore(comparedAtOnceMax)
  const different: DifferentAction[] = []
  const notRun = new Map<string, NotRun>()
  const notElsewhere = new Map<string, NotElsewhere>()
  let [done, same, moreDifferent] = [0, 0, 0]

  async function check(record: ActionRecord): Promise<void> {
    const clients = await openedFor(record)
    const { answer, where } = await checked(record, { ...clients, scheduler, semaphore, signal: options.signal })
    if (where !== 'elsewhere' && !isNotRun(answer)) {
      const known = notElsewhere.get(where)
      notElsewhere.set(where, { reason: where, example: exampleOf(record), actions: (known?.actions ?? 0) + 1 })
    }
    count(answer)
  }

  function count(answer: Answer): void {
    done += 1
    if (answer === 'same') same += 1
    else if (isNotRun(answer)) {
      const known = notRun.get(answer.reason)
      notRun.set(answer.reason, { ...(known ?? answer), actions: (known?.actions ?? 0) + 1 })
    } else if (different.length < namedMax) different.push(answer)
    else moreDifferent += 1
    options.onDone({ done, different: different.length + moreDifferent })
  }

  const stopped = await eachAction(actions, options, check, (record, error) =>
    count(notChecked(record, reasonOf(error), error)),
  )
  const checkedActions = same + different.length + moreDifferent
  return {
    ...{ build, checked: checkedActions, same, different: different.sort(byName), moreDifferent, left },
    notElsewhere: [...notElsewhere.values()].sort((a, b) => b.actions - a.actions),
    notRun: [...notRun.values()].sort((a, b) => b.actions - a.actions),
    stopped: stopped ?? null,
  }
}

interface Clients {
  readonly options: ClientOptions
  readonly cas: CasClient
  readonly cached: ReturnType<typeof createActionsClient>
}

/** Clients for each instance and digest function, opened once; if that fails, the next action tries again. */
function clientsOf(cache: Channel, signal: AbortSignal): (record: ActionRecord) => Promise<Clients> {
  const known = new Map<string, Promise<Clients>>()
  const open = async ({ instance, digest: { fn } }: ActionRecord): Promise<Clients> => {
    const { batchBytes } = await negotiate(cache, { instance, fn, signal })
    const options = { instance, fn, batchBytes, metadata: requestMetadata({ tool: checkTool }) }
    return { options, cas: createCasClient(cache, options), cached: createActionsClient(cache, options) }
  }
  return (record) => {
    const key = `${record.digest.fn} ${record.instance}`
    const clients = known.get(key) ?? open(record)
    known.set(key, clients)
    clients.catch(() => known.delete(key))
    return clients
  }
}

interface Checking extends Clients {
  readonly scheduler: Channel
  readonly semaphore: ReturnType<typeof createSemaphore>
  readonly signal: AbortSignal
}

type Answer = 'same' | DifferentAction | NotRun

function isNotRun(answer: Answer): answer is NotRun {
  return answer !== 'same' && 'reason' in answer
}

/** @throws the run's error */
async function checked(record: ActionRecord, with_: Checking): Promise<{ answer: Answer; where: Where }> {
  const first = (await with_.cached.get(record.digest, {}, with_.signal)) ?? (await ranWell(record, with_))
  // The same worker may well produce the same: another one tells more.
  const second = await ranWell(record, with_, workerOf(first))
  return { answer: await compared(record, first, second, with_), where: whereOf(first, second) }
}

type Where = 'elsewhere' | NotElsewhere['reason']

function whereOf(first: re.ActionResult.$Properties, second: re.ActionResult.$Properties): Where {
  const [one, other] = [workerOf(first), workerOf(second)]
  if (one === '' || other === '') return 'unknown'
  if (one !== other) return 'elsewhere'
  return wasOnlyWorker(second) ? 'only-worker' : 'others-busy'
}

/** @throws the run's error */
async function ranWell(record: ActionRecord, { cas, scheduler, options, signal }: Checking, notOn = '') {
  const { result, error }: Rerun = await rerun(cas, scheduler, record.digest, { client: options, notOn, signal })
  if (error) throw error
  return result
}

async function compared(
  record: ActionRecord,
  first: re.ActionResult.$Properties,
  second: re.ActionResult.$Properties,
  { cas, semaphore, signal }: Checking,
): Promise<Answer> {
  const exitCodes = [first.exitCode ?? 0, second.exitCode ?? 0] as const
  let found: OutputsCompared
  try {
    found = await semaphore(() => compareResults(cas, first, second, { compareContents, signal }))
  } catch (error) {
    // If a tree has been evicted meanwhile, that says nothing about the action, which has run.
    if (signal.aborted || concernOf(error) !== 'action') throw error
    return notChecked(record, 'not-compared', error)
  }
  const { outputs, more } = found
  if (outputs.length === 0 && exitCodes[0] === exitCodes[1]) return 'same'
  return {
    ...nameOf(record),
    workers: [workerOf(first), workerOf(second)],
    exitCodes,
    outputs,
    moreOutputs: more,
  }
}

function reasonOf(error: unknown): NotRun['reason'] {
  if (error instanceof Failure && error.kind === 'not-found') return 'action-missing'
  return error instanceof RpcError && isOfMissing(error) ? 'inputs-missing' : 'refused'
}

function notChecked(record: ActionRecord, reason: NotRun['reason'], error: unknown): NotRun {
  const where = error instanceof Failure && error.where !== undefined ? ` (${error.where})` : ''
  return { reason, actions: 1, example: exampleOf(record), message: `${messageOf(error)}${where}` }
}

function exampleOf(record: ActionRecord): string {
  const { target, mnemonic, action } = nameOf(record)
  return [target, mnemonic].filter(Boolean).join(' ') || action
}

function nameOf({ digest, target, mnemonic }: ActionRecord) {
  return { action: digestText(digest), target, mnemonic }
}

function workerOf({ executionMetadata }: re.ActionResult.$Properties): string {
  return executionMetadata?.worker ?? ''
}

function byName(one: DifferentAction, other: DifferentAction): number {
  const key = ({ target, mnemonic, action }: DifferentAction) => `${target} ${mnemonic} ${action}`
  return key(one) < key(other) ? -1 : 1
}
