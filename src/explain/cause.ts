/**
 * Why a result was not in the cache. The first of them are differences from an earlier run; the others need no earlier
 * run, or have an identical one.
 */
export const causeKinds = [
  'input', // a file of the input tree differs
  'argument',
  'variable',
  'property', // a platform property
  'field', // something else in the action or its command
  'output', // the requested output paths differ
  'not-repeatable', // an input was made by the same action as before, with a different result this time
  'inputs-unknown', // inputs differ, and the trees are not available
  'command-unknown', // the command differs, and is not available
  'encoding', // the same content, encoded in different bytes
  'never-seen',
  'evicted',
  'incomplete', // the result was there, but one of its blobs was not
  'gone', // it ran before, but its result is gone, or was never stored
  'failed-before', // only results of successful actions are kept
  'not-cacheable', // do_not_cache
  'not-asked', // the client did not look it up, or was told not to
  'unauthorized',
  'other-instance',
  'other-function', // the earlier run used another digest function
  'not-uploaded', // only the digest is known
] as const
export type CauseKind = (typeof causeKinds)[number]

/** One cause, the same for all actions that share it. */
export interface Cause {
  readonly kind: CauseKind
  /** Path, name of a variable, property or field; for an action never seen, the build; empty if there is none. */
  readonly subject: string
  /** Before, and now; null if absent. Secrets are hidden. */
  readonly one: string | null
  readonly other: string | null
}

/** An action between a cause and the action that missed. */
export interface Link {
  readonly target: string
  readonly mnemonic: string
  /** `hash/size` of the action. */
  readonly action: string
  /** The output that the next one reads. */
  readonly path: string
}

/** A cause, and the actions through which it propagated, the one nearest to the change first. */
export interface Root {
  readonly cause: Cause
  readonly chain: readonly Link[]
}

/** A cause with everything that it explains. */
export interface CauseOfMany extends Cause {
  /** Actions with this cause, and how many of them have other causes too. */
  readonly actions: number
  readonly notAlone: number
  /**
   * Actions that have the cause themselves, as they read the changed input, say; the others read what these make. It
   * includes actions that count for another cause.
   */
  readonly direct: number
  /** The duration of these actions, from when a worker or the client began until it ended. */
  readonly seconds: number
  /** The longest chain from the cause to one of them. */
  readonly chain: Root['chain']
  /** Some of them, slowest first. */
  readonly examples: readonly Example[]
  /** The build that most of them were compared with; null if there was none. */
  readonly against: Against | null
  /**
   * How long before the lookup the result, or a blob that it references, was evicted, in milliseconds: minimum and
   * maximum.
   */
  readonly evictedMs: { readonly least: number; readonly most: number } | null
}

export interface Example {
  readonly target: string
  readonly mnemonic: string
  /** `hash/size`. */
  readonly action: string
  readonly output: string
  readonly seconds: number
  /** The action that it was compared with, `hash/size`; null if there was none. */
  readonly against: string | null
}

/** A build that others were compared with. */
export interface Against {
  readonly build: string
  /** When its action was first seen, in milliseconds since 1970. */
  readonly seen: number
}

/** The action in a chain that has the cause itself: after the one that makes the changed input, if that is in it. */
export function firstLink({ chain, subject }: Pick<CauseOfMany, 'chain' | 'subject'>): Link | undefined {
  return chain[0]?.path === subject ? chain[1] : chain[0]
}

/** Equal for equal causes. */
export function causeKey(cause: Cause): string {
  const known = keys.get(cause)
  if (known !== undefined) return known
  const key = JSON.stringify([cause.kind, cause.subject, cause.one, cause.other])
  keys.set(cause, key)
  return key
}

/** Each is asked for several times, whenever the actions of a build are counted. */
const keys = new WeakMap<Cause, string>()

/** A cause that consists of a kind and perhaps a subject. */
export function cause(kind: CauseKind, subject = '', one: string | null = null, other: string | null = null): Cause {
  return { kind, subject, one, other }
}
