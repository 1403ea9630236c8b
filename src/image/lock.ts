import { readFile } from 'node:fs/promises'
import { isMap, parseDocument } from 'yaml'
import { Failure } from '../core/failure.ts'
import type { ContentDigest } from './content-digest.ts'
import { writeWhole } from './media/files.ts'
import { type ImageName, imageNameText, parseImageName } from './name.ts'
import { once } from './tar/writer.ts'

/** What a refresh of a pin found. */
export interface LockResult {
  readonly file: string
  readonly image: string
  readonly before: string | null
  readonly after: ContentDigest
}

/**
 * Asks where the base's tag points now and writes that digest into the definition; its
 * comments and its order stay. Works on a definition that has no digest yet.
 * @param resolve gives the digest that a name has now
 * @returns null for an image that has no base
 * @throws Failure 'invalid', 'not-found', and what resolve throws
 */
export async function refreshLock(
  file: string,
  resolve: (image: ImageName) => Promise<ContentDigest>,
): Promise<LockResult | null> {
  const document = parseDocument(await text(file))
  if (document.errors.length > 0 || !isMap(document.contents))
    throw new Failure('invalid', 'the definition is no YAML map', { where: file })
  const base: unknown = document.get('base')
  if (base === 'scratch') return null
  const named = document.getIn(['base', 'image'])
  if (typeof named !== 'string') throw new Failure('invalid', 'base.image is missing', { where: file })
  const image = parseImageName(named)
  const before = document.getIn(['base', 'digest'])
  const after = await resolve(image)
  if (before !== after) {
    document.setIn(['base', 'digest'], after)
    await writeWhole(file, once(Buffer.from(document.toString({ lineWidth: 0 }))))
  }
  return { file, image: imageNameText(image), before: typeof before === 'string' ? before : null, after }
}

async function text(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    throw new Failure('not-found', 'the definition cannot be read', { where: file, cause })
  }
}
