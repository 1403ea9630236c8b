import type { ActionRecord, LocalHistory } from '../core/build-history.ts'
import { checkedDigest, type DigestFunction, digestText, sameDigest } from '../core/digest.ts'
import { type Cause, cause, type Link, type Root } from './cause.ts'
import { compareArguments } from './command.ts'
import { compareActions, loadBoth } from './compare.ts'
import { type Comparison, differencesOf, type InputDifference } from './difference.ts'
import type { Load } from './load.ts'
import { loadFrom } from './messages.ts'
import { predecessorOf } from './predecessor.ts'
import { createProducers } from './producers.ts'
import { createTerms } from './terms.ts'
import { compareTrees, createKnownPairs } from './tree.ts'
import { inputTold } from './words.ts'

/** Why one action was not cached. */
export interface Explained {
  readonly action: Pick<ActionRecord, 'row' | 'digest' | 'target' | 'mnemonic' | 'firstOutput' | 'times' | 'lookup'>
  /** The action that it was compared with, if any. */
  readonly against: Pick<ActionRecord, 'digest' | 'build' | 'firstSeen'> | undefined
  /** At least one; the first is the action's own. */
  readonly roots: readonly Root[]
}

/** Maximum length of a chain, and of changed inputs that are followed per action. */
const chainLengthMax = 50
const followedInputsMax = 20
const rootsMax = 50
/** Larger argument files are reported as files. */
const parametersBytesMax = 4 * 1024 * 1024

/** Answers for one build; what several actions need is looked up once. */
export interface Why {
  /**
   * The candidates that each action may be compared with, by row.
   * @param actions 1,000 at most
   */
  candidates(actions: readonly ActionRecord[]): Promise<Candidates>
  explain(action: ActionRecord, candidates: Candidates): Promise<Explained>
}

type Candidates = ReadonlyMap<number, readonly ActionRecord[]>

/** How two actions differ: in themselves, and in their inputs. */
interface Different {
  readonly own: readonly Cause[]
  readonly inputs: readonly InputDifference[]
}

/** @param against compares with this build only, by its full id */
export function createWhy(history: LocalHistory, against?: string): Why {
  const load = loadFrom(history)
  const pairs = new Map<string, Promise<readonly Root[]>>()
  const known = createKnownPairs()
  const terms = createTerms()
  const makerOf = createProducers(history)

  async function candidates(actions: readonly ActionRecord[]): Promise<Candidates> {
    const asked = actions.filter((action) => !saidByItself(action)).map(({ row }) => row)
    return asked.length > 0 ? await history.comparable(asked, against) : new Map()
  }

  async function explain(action: ActionRecord, candidates: Candidates): Promise<Explained> {
    const said = saidByItself(action)
    if (said) return explained(action, undefined, [{ cause: said, chain: [] }])
    const before = predecessorOf(action, candidates.get(action.row))
    const roots = before ? await rootsOf(action, before, 0) : [{ cause: unseen(action, against), chain: [] }]
    return explained(action, before, roots)
  }

  /** What distinguishes an action from an earlier one, each change traced back to its origin. */
  function rootsOf(now: ActionRecord, then: ActionRecord, depth: number): Promise<readonly Root[]> {
    const key = `${now.row} ${then.row}`
    const known = pairs.get(key)
    if (known) return known
    const roots = findRoots(now, then, depth)
    pairs.set(key, roots)
    return roots
  }

  async function findRoots(now: ActionRecord, then: ActionRecord, depth: number): Promise<readonly Root[]> {
    const told = ofTheSame(now, then)
    if (told) return [{ cause: told, chain: [] }]
    // What was never uploaded cannot be compared; that is an answer.
    const different = (await inputsAlone(now, then)) ?? (await compared(now, then))
    if (!different) return [{ cause: cause('not-uploaded'), chain: [] }]
    const own = different.own.map((each): Root => ({ cause: each, chain: [] }))
    const inputs = different.inputs.slice(0, followedInputsMax)
    const followed = await Promise.all(inputs.map((each) => rootsOfInput(each, now, then, depth)))
    const roots = distinct([...own, ...followed.flat()])
    return roots.length > 0 ? roots : [{ cause: cause('encoding'), chain: [] }]
  }

  /**
   * For two actions known to differ only in their inputs, without reading them. @returns undefined if that is not known
   */
  async function inputsAlone(now: ActionRecord, then: ActionRecord): Promise<Different | undefined> {
    if (!now.inputRoot || !then.inputRoot || !terms.same(then, now)) return undefined
    const { differences, unknown } = await compareTrees(then.inputRoot, now.inputRoot, load, known)
    return { own: unknown.length > 0 ? [cause('inputs-unknown')] : [], inputs: differences }
  }

  /** @returns undefined if one of them is not available */
  async function compared(now: ActionRecord, then: ActionRecord): Promise<Different | undefined> {
    const both = await loadBoth(then.digest, now.digest, load)
    if (!both) return undefined
    for (const { action } of [both.one, both.other]) terms.note(action)
    const comparison = await compareActions(both.one, both.other, load, known)
    return { own: ownCauses(comparison), inputs: comparison.inputs.first }
  }

  async function rootsOfInput(
    difference: InputDifference,
    now: ActionRecord,
    then: ActionRecord,
    depth: number,
  ): Promise<readonly Root[]> {
    const { path } = difference
    const itself: Root = { cause: inputCause(difference), chain: [] }
    if (depth >= chainLengthMax || !difference.one || !difference.other) return [itself]
    const written = await parametersOf(difference, now.digest.fn, load)
    if (written.length > 0) return written.map((each) => ({ cause: each, chain: [] }))
    const [maker, before] = [await makerOf(path, now), await makerOf(path, then)]
    // A maker was seen before its readers: this makes every chain end, whatever the history says.
    if (!maker || maker.row >= now.row) return [itself]
    const link = linkOf(maker, path)
    if (!before) return [{ ...itself, chain: [link] }]
    if (sameDigest(maker.digest, before.digest))
      return [{ cause: cause('not-repeatable', path, itself.cause.one, itself.cause.other), chain: [link] }]
    const roots = await rootsOf(maker, before, depth + 1)
    return roots.map((root) => ({ cause: root.cause, chain: [...root.chain, link] }))
  }

  return { candidates, explain }
}

/** Of two records, what is needed later: they may be kept for long, by the thousands. */
function explained(
  { row, digest, target, mnemonic, firstOutput, times, lookup }: ActionRecord,
  before: ActionRecord | undefined,
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
function ofTheSame(now: ActionRecord, then: ActionRecord): Cause | undefined {
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

function inputCause(difference: InputDifference): Cause {
  const { one, other } = inputTold(difference)
  return cause('input', difference.path, one, other)
}

/**
 * Long command lines are passed in a file with one argument per line: its differences are arguments.
 * @returns nothing if it is not such a file, or not available
 */
async function parametersOf({ path, one, other }: InputDifference, fn: DigestFunction, load: Load): Promise<Cause[]> {
  if (!path.endsWith('.params')) return []
  const texts = await Promise.all(
    [one, other].map(async (entry) => {
      const [hash = '', size = '0'] = entry?.digest?.split('/') ?? []
      if (hash === '' || Number(size) > parametersBytesMax) return undefined
      const digest = checkedDigest(fn, hash, Number(size), path)
      return (await load([digest])).get(digestText(digest))
    }),
  )
  const [before, after] = texts.map((bytes) => bytes && Buffer.from(bytes).toString().split('\n'))
  if (!before || !after) return []
  return compareArguments(before, after).map((each) => cause('argument', '', each.one, each.other))
}

function linkOf({ target, mnemonic, digest }: ActionRecord, path: string): Link {
  return { target, mnemonic, action: digestText(digest), path }
}

/** Each cause once, by the shortest chain, or the first of these. */
function distinct(roots: readonly Root[]): Root[] {
  const shortest = new Map<string, Root>()
  for (const root of roots) {
    const key = JSON.stringify(root.cause)
    const known = shortest.get(key)
    if (!known || root.chain.length < known.chain.length) shortest.set(key, root)
  }
  return [...shortest.values()].slice(0, rootsMax)
}
