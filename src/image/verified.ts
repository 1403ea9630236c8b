import { Failure } from '../core/failure.ts'
import { algorithmOf, type ContentDigest, contentDigestOf, contentHash, hexOf } from './content-digest.ts'
import { type Descriptor, type RawManifest, rawManifest } from './manifest.ts'

/**
 * The same bytes, verified: more bytes than the descriptor says fail at once, fewer or other ones at the end. Consumers
 * must not trust the content before its end.
 * @param where the place that it is read from, for errors
 * @throws Failure 'corrupt' while it is consumed
 */
export async function* verified(
  content: AsyncIterable<Uint8Array>,
  descriptor: Descriptor,
  where: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  const hash = contentHash(algorithmOf(descriptor.digest))
  let size = 0
  for await (const chunk of content) {
    size += chunk.byteLength
    if (size > descriptor.size)
      throw corrupt(where, descriptor, `is longer than the ${descriptor.size} bytes that its manifest says`)
    hash.update(chunk)
    yield chunk
  }
  if (size < descriptor.size) throw corrupt(where, descriptor, `ends after ${size} of ${descriptor.size} bytes`)
  const hex = hash.digest('hex')
  if (hex !== hexOf(descriptor.digest))
    throw corrupt(where, descriptor, `has the digest ${algorithmOf(descriptor.digest)}:${hex} instead`)
}

/**
 * All bytes of a small blob (a config, a signature), verified.
 * @param bytesMax limit for memory
 * @throws Failure 'exhausted' when it is larger, 'corrupt' when it does not match its descriptor
 */
export async function verifiedBytes(
  content: AsyncIterable<Uint8Array>,
  descriptor: Descriptor,
  bytesMax: number,
  where: string,
): Promise<Uint8Array> {
  if (descriptor.size > bytesMax)
    throw new Failure('exhausted', `a blob has ${descriptor.size} bytes, but at most ${bytesMax} are read`, {
      where: `${where} ${descriptor.digest}`,
    })
  const chunks: Uint8Array[] = []
  for await (const piece of verified(content, descriptor, where)) chunks.push(piece.slice())
  return Buffer.concat(chunks)
}

/**
 * Makes a raw manifest from what a place returned.
 * @param told the type that the place reported, if any
 * @param wanted the digest by which it was requested, if any
 * @throws Failure 'corrupt' when it is another one, 'invalid' when its type is unknown
 */
export function verifiedManifest(
  bytes: Uint8Array,
  told: string | undefined,
  wanted: ContentDigest | undefined,
  where: string,
): RawManifest {
  if (wanted === undefined) return rawManifest(bytes, told, where)
  const found = contentDigestOf(bytes, algorithmOf(wanted))
  if (found === wanted) return { ...rawManifest(bytes, told, where), digest: wanted }
  throw new Failure('corrupt', `requested the manifest ${wanted}, but got one with the digest ${found}`, { where })
}

function corrupt(where: string, descriptor: Descriptor, what: string): Failure {
  return new Failure('corrupt', `the blob ${descriptor.digest} ${what}`, {
    where,
    next: ['Try again. If it happens again, the stored image is damaged and has to be pushed again.'],
  })
}
