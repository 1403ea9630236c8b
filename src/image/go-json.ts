import { z } from 'zod'

/**
 * JSON as Go's encoding/json reads and writes it, which is what registries, docker and their helpers are made with:
 * a nil slice, map or pointer is written as `null`, an empty text without `omitempty` as "", and readers treat `null`,
 * absent and empty alike. Every schema of such a document uses these to say what may be missing.
 */

/** A member that may be missing: undefined, however its absence is written. */
export function maybe<T extends z.ZodType>(schema: T) {
  return z.preprocess((value) => (isNothing(value) ? undefined : value), schema.optional())
}

/** A text; empty when there is nothing. */
export function text(charactersMax: number) {
  return z.preprocess((value) => value ?? '', z.string().max(charactersMax))
}

/** A list; empty when there is nothing. */
export function listOf<T extends z.ZodType>(item: T, max: number) {
  return z.preprocess((value) => (isNothing(value) ? [] : value), z.array(item).max(max))
}

/** A map of texts; undefined when there is nothing in it. */
export function texts(charactersMax: number) {
  return maybe(z.record(z.string().max(1024), text(charactersMax)))
}

/** A member of another kind of document, which this one must not have, not even empty. */
export function nothing(error: string) {
  return z.preprocess((value) => (isNothing(value) ? undefined : value), z.undefined({ error }).optional())
}

/** Is this how it is written that there is nothing? */
export function isNothing(value: unknown): boolean {
  return value === undefined || value === null || value === ''
}

const blankBytesMax = 4096

/** Is there nothing in the whole document? An empty file is what Go's decoder ends of with io.EOF, not with an error. */
export function isBlank(bytes: Uint8Array): boolean {
  return (
    bytes.byteLength <= blankBytesMax &&
    /^\uFEFF?\s*$/.test(new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes))
  )
}
