import type { ActionRecord, EarlierAction, LocalHistory } from '../core/build-history.ts'
import { checkedDigest, type DigestFunction, digestText, sameDigest } from '../core/digest.ts'
import { type Cause, cause, type Link, type Root } from './cause.ts'
import { compareArguments } from './command.ts'
import type { InputDifference } from './difference.ts'
import type { Load } from './load.ts'
import { createProducers, type Producer } from './producers.ts'
import { inputTold } from './words.ts'

/** Where a changed input comes from: the file itself, or whatever changed the action that makes it. */
export interface InputRoots {
  /** @param depth how many actions there are between the input and the one that is explained */
  of(difference: InputDifference, readers: Readers, depth: number): Promise<readonly Root[]>
  /** The same for the inputs of an action that is explained; undefined if something has to be looked up for it. */
  known(difference: InputDifference, readers: Readers): readonly Root[] | undefined
}

/** The actions that differ. */
export interface Readers {
  readonly now: ActionRecord
  readonly then: EarlierAction
}

/** What distinguishes an action from an earlier one. */
export interface PairRoots {
  of(now: ActionRecord, then: EarlierAction, depth: number): Promise<readonly Root[]>
  /** The same, if it has been found before; undefined if not. */
  known(now: ActionRecord, then: EarlierAction): readonly Root[] | undefined
}

/** Maximum length of a chain. */
const chainLengthMax = 50
/** Larger argument files are reported as files. */
const parametersBytesMax = 4 * 1024 * 1024

export function createInputRoots(history: LocalHistory, load: Load, pairs: PairRoots): InputRoots {
  const producers = createProducers(history)
  /** Thousands of actions differ in one and the same input. */
  const told = new WeakMap<InputDifference, readonly [Root]>()

  /** The file itself. */
  function itself(difference: InputDifference): readonly [Root] {
    const known = told.get(difference)
    if (known) return known
    const made = [{ cause: inputCause(difference), chain: [] }] as const
    told.set(difference, made)
    return made
  }

  return {
    async of(difference, { now, then }, depth) {
      const own = itself(difference)
      if (depth >= chainLengthMax || isOfOneOnly(difference)) return own
      const written = await parametersOf(difference, now.digest.fn, load)
      if (written.length > 0) return written.map((each) => ({ cause: each, chain: [] }))
      const { path } = difference
      const made = madeBy(own, { path, now }, await producers.of(path, now), await producers.of(path, then))
      return 'roots' in made ? made.roots : through(made.link, await pairs.of(made.maker, made.before, depth + 1))
    },
    known(difference, { now, then }) {
      const own = itself(difference)
      if (isOfOneOnly(difference)) return own
      const { path } = difference
      const [maker, before] = [producers.known(path, now), producers.known(path, then)]
      if (isParameters(path) || !maker || !before) return undefined
      const made = madeBy(own, { path, now }, maker.producer, before.producer)
      if ('roots' in made) return made.roots
      const roots = pairs.known(made.maker, made.before)
      return roots && through(made.link, roots)
    },
  }
}

type Made =
  | { readonly roots: readonly Root[] }
  /** Whatever distinguishes these two. */
  | { readonly maker: ActionRecord; readonly before: ActionRecord; readonly link: Link }

/** @param before what made the input of the earlier action */
function madeBy(
  own: readonly [Root],
  { path, now }: { readonly path: string; readonly now: ActionRecord },
  maker: Producer,
  before: Producer,
): Made {
  // A maker was seen before its readers: this makes every chain end, whatever the history says.
  if (!maker || maker.row >= now.row) return { roots: own }
  const link = linkOf(maker, path)
  const [{ cause: itself }] = own
  if (!before) return { roots: [{ cause: itself, chain: [link] }] }
  if (!sameDigest(maker.digest, before.digest)) return { maker, before, link }
  return { roots: [{ cause: cause('not-repeatable', path, itself.one, itself.other), chain: [link] }] }
}

function through(link: Link, roots: readonly Root[]): readonly Root[] {
  return roots.map((root) => ({ cause: root.cause, chain: [...root.chain, link] }))
}

function isOfOneOnly({ one, other }: InputDifference): boolean {
  return !one || !other
}

function inputCause(difference: InputDifference): Cause {
  const { one, other } = inputTold(difference)
  return cause('input', difference.path, one, other)
}

function isParameters(path: string): boolean {
  return path.endsWith('.params')
}

/**
 * Long command lines are passed in a file with one argument per line: its differences are arguments.
 * @returns nothing if it is not such a file, or not available
 */
async function parametersOf({ path, one, other }: InputDifference, fn: DigestFunction, load: Load): Promise<Cause[]> {
  if (!isParameters(path)) return []
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
