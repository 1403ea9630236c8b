import { Failure } from '../core/failure.ts'
import type { Descriptor, RawManifest } from './manifest.ts'
import type { Source } from './medium.ts'

/**
 * A manifest that an index names, with the digest, size and type from the index.
 * @throws Failure 'corrupt' for another size, 'invalid' for another type; what the source throws
 */
export async function childManifest(source: Source, wanted: Descriptor): Promise<RawManifest> {
  const raw = await source.manifest(wanted.digest)
  const { byteLength } = raw.bytes
  const other = (kind: 'corrupt' | 'invalid', found: string, said: string | number): Failure =>
    new Failure(kind, `the manifest ${wanted.digest} ${found}, its index says ${said}`, { where: source.name })
  if (byteLength !== wanted.size) throw other('corrupt', `has ${byteLength} bytes`, wanted.size)
  if (raw.mediaType !== wanted.mediaType) throw other('invalid', `is ${raw.mediaType}`, wanted.mediaType)
  return raw
}
