/** What two runs of one action made differently: the words for it, wherever it is found, kept or shown. */

export const contentFormats = ['ar', 'tar', 'zip', 'gzip', 'elf', 'unknown'] as const
export type ContentFormat = (typeof contentFormats)[number]

/**
 * What differs: a time, an owner, a mode, a kind or a compression that an archive has of an entry; the order of entries or
 * lines; a path or a time within bytes; an entry or a section that only one file has; or bytes of which no more is known.
 */
export const differenceKinds = [
  'time',
  'path',
  'order',
  'owner',
  'mode',
  'kind',
  'compression',
  'only-first',
  'only-second',
  'contents',
  'framing',
] as const
export type DifferenceKind = (typeof differenceKinds)[number]

/** One thing that two files differ in. */
export interface ContentDifference {
  /** Entries and sections, from the outside in; empty for the file as a whole. */
  readonly within: readonly string[]
  readonly kind: DifferenceKind
  /** The first byte that differs, from the start of the innermost part; null where it is none of its bytes. */
  readonly offset: number | null
  /** What is there, as text or as hexadecimal digits; null where there is nothing. */
  readonly one: string | null
  readonly other: string | null
}

export interface ContentComparison {
  readonly format: ContentFormat
  /** The first byte of the files that differs. */
  readonly offset: number
  /** The first of them. */
  readonly differences: readonly ContentDifference[]
  /** There are more. */
  readonly cut: boolean
}

export const outputDifferenceKinds = ['contents', 'executable', 'target', 'only-first', 'only-second'] as const

export interface DifferentOutput {
  readonly path: string
  readonly kind: (typeof outputDifferenceKinds)[number]
  /** `hash/size` of a file, `executable` or `not executable`, or the target of a symlink; null where it is not. */
  readonly one: string | null
  readonly other: string | null
  /** What differs in a file; null where nobody looked: it is too large, or not there any more. */
  readonly contents: ContentComparison | null
}

/** An action that did not make the same twice. */
export interface DifferentAction {
  /** `hash/size`. */
  readonly action: string
  readonly target: string
  readonly mnemonic: string
  /** Who ran it first (the run whose result is in the cache, if there is one), and who then; empty when not known. */
  readonly workers: readonly [string, string]
  readonly exitCodes: readonly [number, number]
  readonly outputs: readonly DifferentOutput[]
  /** Outputs that differ and are not named. */
  readonly moreOutputs: number
}
