/** How the outputs of two runs of one action differ: the vocabulary for finding, keeping and showing it. */

export const contentFormats = ['ar', 'tar', 'zip', 'gzip', 'elf', 'unknown'] as const
export type ContentFormat = (typeof contentFormats)[number]

/**
 * What differs: an archive entry's time, owner, mode, kind or compression; the order of entries or lines; a path or a
 * time within bytes; an entry or a section that only one file has; or bytes about which nothing more is known.
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

/** One difference between two files. */
export interface ContentDifference {
  /** Entries and sections, outermost first; empty for the file as a whole. */
  readonly within: readonly string[]
  readonly kind: DifferenceKind
  /** The first differing byte, from the start of the innermost part; null if the difference is not in its bytes. */
  readonly offset: number | null
  /** The content as text or hexadecimal digits; null if there is none. */
  readonly one: string | null
  readonly other: string | null
}

export interface ContentComparison {
  readonly format: ContentFormat
  /** The first differing byte of the files. */
  readonly offset: number
  /** The first ones. */
  readonly differences: readonly ContentDifference[]
  /** There are more. */
  readonly cut: boolean
}

export const outputDifferenceKinds = ['contents', 'executable', 'target', 'only-first', 'only-second'] as const

export interface DifferentOutput {
  readonly path: string
  readonly kind: (typeof outputDifferenceKinds)[number]
  /** `hash/size` of a file, `executable` or `not executable`, or the target of a symlink; null if it does not exist. */
  readonly one: string | null
  readonly other: string | null
  /** How a file's content differs; null if it was not compared: too large, or no longer there. */
  readonly contents: ContentComparison | null
}

/** An action whose outputs differed between two runs. */
export interface DifferentAction {
  /** `hash/size`. */
  readonly action: string
  readonly target: string
  readonly mnemonic: string
  /** Who ran it first (the run whose result is in the cache, if any), and who second; empty if unknown. */
  readonly workers: readonly [string, string]
  readonly exitCodes: readonly [number, number]
  readonly outputs: readonly DifferentOutput[]
  /** Differing outputs that are not listed. */
  readonly moreOutputs: number
}
