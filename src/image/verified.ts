import { Failure } from '../core/failure.ts'
import { algorithmOf, type ContentDigest, contentDigestOf, contentHash, hexOf } from './content-digest.ts'
import { type Descriptor, type RawManifest, rawManifest } from './manifest.ts'

/**
 * The same bytes, judged: more bytes than the descriptor says end it at once, fewer or others
 * at the end. Whoever consumes it must wait for its end before believing what it got.
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
 * @param bytesMax what may come into memory
 * @throws Failure 'exhausted' when it is larger, 'corrupt' when it is not what it was said to be
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
 * Makes a raw manifest of what a place gave.
 * @param told the type that the place said, if it said one
 * @param wanted the digest by which it was asked for, if it was
 * @throws Failure 'corrupt' when it is another one, 'invalid' when its type is none that we know
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
