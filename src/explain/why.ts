import type { ActionRecord, EarlierAction, LocalHistory } from '../core/build-history.ts'
import { digestText, sameDigest } from '../core/digest.ts'
import { type Cause, cause, causeKey, type Root } from './cause.ts'
import { compareActions, loadBoth } from './compare.ts'
import { type Comparison, differencesOf, type InputDifference } from './difference.ts'
import { createInputRoots } from './input-roots.ts'
import { loadFrom } from './messages.ts'
import { predecessorOf } from './predecessor.ts'
import { createTerms } from './terms.ts'
import { compareAlike, compareTrees, createKnownPairs } from './tree.ts'

/** Why one action was not cached. */
export interface Explained {
  readonly action: Pick<ActionRecord, 'row' | 'digest' | 'target' | 'mnemonic' | 'firstOutput' | 'times' | 'lookup'>
  /** The action that it was compared with, if any. */
  readonly against: Pick<ActionRecord, 'digest' | 'build' | 'firstSeen'> | undefined
  /** At least one; the first is the action's own. */
  readonly roots: readonly Root[]
}

/** Changed inputs that are followed per action. */
const followedInputsMax = 20
const rootsMax = 50
/** Of directories that are read for many actions at once, in bytes. */
const readAheadMax = 16 * 1024

/** Answers for one build; what several actions need is looked up once. */
export interface Why {
  /**
   * What each action is compared with.
   * @param actions 1,000 at most
   */
  lookUp(actions: readonly ActionRecord[]): Promise<Predecessors>
  /** At once for most of those that differ as others did. */
  explain(action: ActionRecord, predecessors: Predecessors): Explained | Promise<Explained>
}

/** By row; actions without any are left out. */
type Predecessors = ReadonlyMap<number, Predecessor>

interface Predecessor {
  readonly action: EarlierAction
  /** Its input root, if it was worth reading. */
  readonly root: Uint8Array | undefined
}

/** How two actions differ: in themselves, and in their inputs. */
interface Different {
  readonly own: readonly Cause[]
  readonly inputs: readonly InputDifference[]
}

/** @param against compares with this build only, by its full id */
export function createWhy(history: LocalHistory, against?: string): Why {
  const load = loadFrom(history)
  const pairs = new Map<string, Promise<readonly Root[]>>()
  const found = new Map<string, readonly Root[]>()
  const known = createKnownPairs()
  const terms = createTerms()
  const inputRoots = createInputRoots(history, load, {
    of: rootsOf,
    known: (now, then) => found.get(keyOf(now, then)),
  })

  async function lookUp(actions: readonly ActionRecord[]): Promise<Predecessors> {
    const asked = actions.filter((action) => !saidByItself(action))
    if (asked.length === 0) return new Map()
    const rows = asked.map(({ row }) => row)
    const candidates = await history.comparable(rows, against)
    const both = asked.flatMap((now) => {
      const action = predecessorOf(now, candidates.get(now.row))
      return action ? [{ row: now.row, action, inputRoot: isLike(now, action) ? action.inputRoot : undefined }] : []
    })
    const roots = await load(both.flatMap(({ inputRoot }) => (inputRoot ? [inputRoot] : [])))
    return new Map(
      both.map(({ row, action, inputRoot }) => [row, { action, root: inputRoot && roots.get(digestText(inputRoot)) }]),
    )
  }

  function explain(action: ActionRecord, predecessors: Predecessors): Explained | Promise<Explained> {
    const said = saidByItself(action)
    if (said) return explained(action, undefined, [{ cause: said, chain: [] }])
    const before = predecessors.get(action.row)
    if (!before) return explained(action, undefined, [{ cause: unseen(action, against), chain: [] }])
    const roots = rootsAtOnce(action, before)
    if (roots) return explained(action, before.action, roots)
    return rootsOf(action, before.action, 0).then((roots) => explained(action, before.action, roots))
  }

  /** For an action that differs in its inputs alone, and as another did. @returns undefined if that is not known */
  function rootsAtOnce(now: ActionRecord, { action: then, root }: Predecessor): readonly Root[] | undefined {
    const differences = root && now.inputRoot && compareAlike(root, now.inputRoot, known)?.differences
    if (!differences || differences.length === 0 || !terms.same(then, now)) return undefined
    const roots: Root[] = []
    for (const each of differences.slice(0, followedInputsMax)) {
      const some = inputRoots.known(each, { now, then })
      if (!some) return undefined
      roots.push(...some)
    }
    return distinct(roots)
  }

  /** What distinguishes an action from an earlier one, each change traced back to its origin. */
  function rootsOf(now: ActionRecord, then: EarlierAction, depth: number): Promise<readonly Root[]> {
    const key = keyOf(now, then)
    const asked = pairs.get(key)
    if (asked) return asked
    const roots = findRoots(now, then, depth).then((roots) => {
      found.set(key, roots)
      return roots
    })
    pairs.set(key, roots)
    return roots
  }

  async function findRoots(now: ActionRecord, then: EarlierAction, depth: number): Promise<readonly Root[]> {
    const told = ofTheSame(now, then)
    if (told) return [{ cause: told, chain: [] }]
    // What was never uploaded cannot be compared; that is an answer.
    const different = (await inputsAlone(now, then)) ?? (await compared(now, then))
    if (!different) return [{ cause: cause('not-uploaded'), chain: [] }]
    const own = different.own.map((each): Root => ({ cause: each, chain: [] }))
    const inputs = different.inputs.slice(0, followedInputsMax)
    const followed = await Promise.all(inputs.map((each) => inputRoots.of(each, { now, then }, depth)))
    const roots = distinct([...own, ...followed.flat()])
    return roots.length > 0 ? roots : [{ cause: cause('encoding'), chain: [] }]
  }

  /**
   * For two actions known to differ only in their inputs, without reading them. @returns undefined if that is not known
   */
  async function inputsAlone(now: ActionRecord, then: EarlierAction): Promise<Different | undefined> {
    if (!now.inputRoot || !then.inputRoot || !terms.same(then, now)) return undefined
    const { differences, unknown } = await compareTrees(then.inputRoot, now.inputRoot, load, known)
    return { own: unknown.length > 0 ? [cause('inputs-unknown')] : [], inputs: differences }
  }

  /** @returns undefined if one of them is not available */
  async function compared(now: ActionRecord, then: EarlierAction): Promise<Different | undefined> {
    const both = await loadBoth(then.digest, now.digest, load)
    if (!both) return undefined
    for (const { action } of [both.one, both.other]) terms.note(action)
    const comparison = await compareActions(both.one, both.other, load, known)
    return { own: ownCauses(comparison), inputs: comparison.inputs.first }
  }

  return { lookUp, explain }
}

function keyOf(now: ActionRecord, then: EarlierAction): string {
  return `${now.row} ${then.row}`
}

/** May it be known how they differ without reading more than the input root of the second? */
function isLike(now: ActionRecord, { digest, command, inputRoot }: EarlierAction): boolean {
  if (!now.command || !command || !inputRoot || inputRoot.size > readAheadMax) return false
  return sameDigest(now.command, command) && !sameDigest(now.digest, digest)
}

/** Of two records, what is needed later: they may be kept for long, by the thousands. */
function explained(
  { row, digest, target, mnemonic, firstOutput, times, lookup }: ActionRecord,
  before: EarlierAction | undefined,
  roots: readonly Root[],
): Explained {
  const action = { row, digest, target, mnemonic, firstOutput, times, ...(lookup && { lookup }) }
  const against = before && { digest: before.digest, build: before.build, firstSeen: before.firstSeen }
  return { action, against, roots }
}

/** The cause that the record gives without an earlier run. */
function saidByItself(action: ActionRecord): Cause | undefined {
  if (action.doNotCache) return cause('not-cacheable')
  if (action.skipCacheLookup) return cause('not-asked')
  switch (action.lookup?.answer) {
    case undefined:
      // The scheduler always looks the action up before it runs something.
      return action.outcome === 'local' ? cause('not-asked') : undefined
    case 'unauthorized':
      return cause('unauthorized')
    case 'evicted':
      return cause('evicted')
    case 'incomplete':
      return cause('incomplete')
    default:
      return undefined
  }
}

/** There is nothing to compare with. */
function unseen({ command }: ActionRecord, against: string | undefined): Cause {
  return command ? cause('never-seen', against) : cause('not-uploaded')
}

/** What two records show without reading the actions. */
function ofTheSame(now: ActionRecord, then: EarlierAction): Cause | undefined {
  if (now.digest.fn !== then.digest.fn) return cause('other-function', '', then.digest.fn, now.digest.fn)
  if (!sameDigest(now.digest, then.digest)) return undefined
  if (then.outcome === 'failed') return cause('failed-before')
  if (now.instance !== then.instance) return cause('other-instance', '', then.instance, now.instance)
  return cause('gone')
}

/** The differences in the actions themselves, without their inputs. */
function ownCauses(comparison: Comparison): Cause[] {
  const own = [
    ...comparison.properties.first.map(({ name, one, other }) =>
      cause('property', name, one.join(', ') || null, other.join(', ') || null),
    ),
    ...comparison.variables.first.map(({ name, one, other }) => cause('variable', name, one, other)),
    ...comparison.arguments.first.map(({ one, other }) => cause('argument', '', one, other)),
    ...comparison.fields.map(({ field, one, other }) => cause('field', field, one, other)),
  ]
  const outputs =
    own.length === 0 ? comparison.outputs.first.map(({ one, other }) => cause('output', '', one, other)) : []
  const unknown = [
    ...(comparison.unknown.some(({ what }) => what === 'command') ? [cause('command-unknown')] : []),
    ...(comparison.unknown.some(({ what }) => what === 'input tree') ? [cause('inputs-unknown')] : []),
  ]
  return differencesOf(comparison) + unknown.length === 0 ? [] : [...own, ...outputs, ...unknown]
}

/** Each cause once, by the shortest chain, or the first of these. */
function distinct(roots: readonly Root[]): readonly Root[] {
  if (roots.length === 1) return roots
  const shortest = new Map<string, Root>()
  for (const root of roots) {
    const key = causeKey(root.cause)
    const known = shortest.get(key)
    if (!known || root.chain.length < known.chain.length) shortest.set(key, root)
  }
  return [...shortest.values()].slice(0, rootsMax)
}
