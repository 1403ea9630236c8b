import type { ActionRecord, LocalHistory } from '../core/build-history.ts'
import { checkedDigest, type DigestFunction, digestText, sameDigest } from '../core/digest.ts'
import { type Cause, cause, type Link, type Root } from './cause.ts'
import { compareArguments } from './command.ts'
import { compareActions, loadBoth } from './compare.ts'
import { type Comparison, differencesOf, type InputDifference } from './difference.ts'
import type { Load } from './load.ts'
import { loadFrom } from './messages.ts'
import { predecessorOf } from './predecessor.ts'
import { createTerms } from './terms.ts'
import { compareTrees, createKnownPairs } from './tree.ts'
import { inputTold } from './words.ts'

/** Why one action was not cached. */
export interface Explained {
  readonly action: ActionRecord
  /** What it was compared with, where there was something. */
  readonly against: ActionRecord | undefined
  /** At least one; the first one is what it says itself. */
  readonly roots: readonly Root[]
}

/** How far back a chain is followed, and how many changed inputs of one action are followed. */
const chainLengthMax = 50
const followedInputsMax = 20
const rootsMax = 50
/** Paths whose makers are remembered. */
const makersMax = 200_000
/** Longer files of arguments are told as files. */
const parametersBytesMax = 4 * 1024 * 1024

/** Answers for one build; what several actions need is looked up once. */
export interface Why {
  /**
   * What each of some actions is compared with, or is chosen among, by its row.
   * @param actions 1,000 at most
   */
  candidates(actions: readonly ActionRecord[]): Promise<Candidates>
  explain(action: ActionRecord, candidates: Candidates): Promise<Explained>
}

type Candidates = ReadonlyMap<number, readonly ActionRecord[]>

/** What two actions differ in: what they say themselves, and what they read. */
interface Different {
  readonly own: readonly Cause[]
  readonly inputs: readonly InputDifference[]
}

/**
 * @param against compares with this build alone, by its whole id
 */
export function createWhy(history: LocalHistory, against?: string): Why {
  const load = loadFrom(history)
  const pairs = new Map<string, Promise<readonly Root[]>>()
  const known = createKnownPairs()
  const terms = createTerms()
  const makers = new Map<string, Promise<ActionRecord | undefined>>()

  async function candidates(actions: readonly ActionRecord[]): Promise<Candidates> {
    const asked = actions.filter((action) => !saidByItself(action)).map(({ row }) => row)
    return asked.length > 0 ? await history.comparable(asked, against) : new Map()
  }

  async function explain(action: ActionRecord, candidates: Candidates): Promise<Explained> {
    const said = saidByItself(action)
    if (said) return { action, against: undefined, roots: [{ cause: said, chain: [] }] }
    const before = predecessorOf(action, candidates.get(action.row))
    if (before) return { action, against: before, roots: await rootsOf(action, before, 0) }
    return { action, against: undefined, roots: [{ cause: unseen(action, against), chain: [] }] }
  }

  /** What made an action another one than an earlier one, each change followed to where it began. */
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

  /** Of two actions that say the same but for their inputs, without reading them. @returns undefined where that is not known */
  async function inputsAlone(now: ActionRecord, then: ActionRecord): Promise<Different | undefined> {
    if (!now.inputRoot || !then.inputRoot || !terms.same(then, now)) return undefined
    const { differences, unknown } = await compareTrees(then.inputRoot, now.inputRoot, load, known)
    return { own: unknown.length > 0 ? [cause('inputs-unknown')] : [], inputs: differences }
  }

  /** @returns undefined where one of them is not to be had */
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
    // Who made it was seen before whoever read it: so a chain ends, whatever the history says.
    if (!maker || maker.row >= now.row) return [itself]
    const link = linkOf(maker, path)
    if (!before) return [{ ...itself, chain: [link] }]
    if (sameDigest(maker.digest, before.digest))
      return [{ cause: cause('not-repeatable', path, itself.cause.one, itself.cause.other), chain: [link] }]
    const roots = await rootsOf(maker, before, depth + 1)
    return roots.map((root) => ({ cause: root.cause, chain: [...root.chain, link] }))
  }

  /** The action that made a path as this one has read it: of its own build, or else the last one before it. */
  function makerOf(path: string, reader: ActionRecord): Promise<ActionRecord | undefined> {
    const key = `${reader.build} ${path}`
    const known = makers.get(key)
    if (known) return known
    const found = findMaker(path, reader)
    if (makers.size >= makersMax) makers.clear()
    makers.set(key, found)
    return found
  }

  async function findMaker(path: string, reader: ActionRecord): Promise<ActionRecord | undefined> {
    const [own] = await history.producers({ path, build: reader.build, limit: 1 })
    if (own) return own
    const [last] = await history.producers({ path, before: reader.firstSeen, limit: 1 })
    return last
  }

  return { candidates, explain }
}

/** What the record tells without an earlier one. */
function saidByItself(action: ActionRecord): Cause | undefined {
  if (action.doNotCache) return cause('not-cacheable')
  if (action.skipCacheLookup) return cause('not-asked')
  switch (action.lookup?.answer) {
    case undefined:
      // The scheduler looks by itself before it runs something.
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

/** What is to say of two records before anybody looks into the actions. */
function ofTheSame(now: ActionRecord, then: ActionRecord): Cause | undefined {
  if (now.digest.fn !== then.digest.fn) return cause('other-function', '', then.digest.fn, now.digest.fn)
  if (!sameDigest(now.digest, then.digest)) return undefined
  if (now.instance !== then.instance) return cause('other-instance', '', then.instance, now.instance)
  if (then.outcome === 'failed') return cause('failed-before')
  return cause('gone')
}

/** What the two say themselves, without their inputs. */
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
 * A long command line comes in a file, an argument a line: what differs in it are arguments.
 * @returns nothing where it is no such file, or not to be had
 */
async function parametersOf({ path, one, other }: InputDifference, fn: DigestFunction, load: Load): Promise<Cause[]> {
  const texts = await Promise.all(
    [one, other].map(async (entry) => {
      const [hash = '', size = '0'] = entry?.digest?.split('/') ?? []
      if (!path.endsWith('.params') || hash === '' || Number(size) > parametersBytesMax) return undefined
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

/** Each cause once, by the shortest way, the first of them. */
function distinct(roots: readonly Root[]): Root[] {
  const shortest = new Map<string, Root>()
  for (const root of roots) {
    const key = JSON.stringify(root.cause)
    const known = shortest.get(key)
    if (!known || root.chain.length < known.chain.length) shortest.set(key, root)
  }
  return [...shortest.values()].slice(0, rootsMax)
}
