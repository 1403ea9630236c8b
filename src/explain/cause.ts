/**
 * Why a result was not in the cache. The first of them are differences from an earlier run; the others need no earlier
 * run, or have one that is the same action.
 */
export const causeKinds = [
  'input', // a file of the input tree is another one
  'argument',
  'variable',
  'property', // a platform property
  'field', // something else that the action or its command says
  'output', // it is to make other paths
  'not-repeatable', // an input was made by the same action as before, which made something else this time
  'inputs-unknown', // inputs differ, and the trees are not to be had
  'command-unknown', // the command differs, and is not to be had
  'encoding', // it says the same in different bytes
  'never-seen',
  'evicted',
  'incomplete', // the result was there, one of its blobs was not
  'gone', // it ran before, and its result is not there any more, or never was
  'failed-before', // only results of actions that end well are kept
  'not-cacheable', // do_not_cache
  'not-asked', // the client did not look, or said not to
  'unauthorized',
  'other-instance',
  'other-function', // the earlier run was named by another digest function
  'not-uploaded', // only the digest is known
] as const
export type CauseKind = (typeof causeKinds)[number]

/** One cause, the same for all actions that share it. */
export interface Cause {
  readonly kind: CauseKind
  /** Path, name of a variable, property or field; the build in which it was never seen; empty where there is none. */
  readonly subject: string
  /** Before, and now; null for nothing. Secrets are hidden. */
  readonly one: string | null
  readonly other: string | null
}

/** An action on the way from a cause to the action that missed. */
export interface Link {
  readonly target: string
  readonly mnemonic: string
  /** `hash/size` of the action. */
  readonly action: string
  /** What it makes that the next one reads. */
  readonly path: string
}

/** A cause, and the actions through which it came: the one that met the change first comes first. */
export interface Root {
  readonly cause: Cause
  readonly chain: readonly Link[]
}

/** The same for causes that are the same. */
export function causeKey({ kind, subject, one, other }: Cause): string {
  return JSON.stringify([kind, subject, one, other])
}

/** A cause that is told by its kind alone, or with a subject. */
export function cause(kind: CauseKind, subject = '', one: string | null = null, other: string | null = null): Cause {
  return { kind, subject, one, other }
}
