import { readFile } from 'node:fs/promises'
import { type Document, isMap, isScalar, parseDocument } from 'yaml'
import { Failure } from '../core/failure.ts'
import type { ContentDigest } from './content-digest.ts'
import { writeWhole } from './media/files.ts'
import { type ImageName, imageNameText, parseImageName } from './name.ts'

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
  const before = await text(file)
  const document = parseDocument(before)
  if (document.errors.length > 0 || !isMap(document.contents))
    throw new Failure('invalid', 'the definition is no YAML map', { where: file })
  const base: unknown = document.get('base')
  if (base === 'scratch') return null
  const named = document.getIn(['base', 'image'])
  if (typeof named !== 'string') throw new Failure('invalid', 'base.image is missing', { where: file })
  const image = parseImageName(named)
  const pinned = document.getIn(['base', 'digest'])
  const after = await resolve(image)
  if (pinned !== after) await writeWhole(file, Buffer.from(withDigest(before, document, after)))
  return { file, image: imageNameText(image), before: typeof pinned === 'string' ? pinned : null, after }
}

/** The text with another digest and nothing else changed, for whoever reads the difference; a first one is added. */
function withDigest(before: string, document: Document, digest: ContentDigest): string {
  const node = document.getIn(['base', 'digest'], true)
  const isOneWord = isScalar(node) && node.type !== 'BLOCK_FOLDED' && node.type !== 'BLOCK_LITERAL'
  if (isOneWord && typeof node.value === 'string' && node.range)
    return `${before.slice(0, node.range[0])}${digest}${before.slice(node.range[1])}`
  document.setIn(['base', 'digest'], digest)
  return document.toString({ lineWidth: 0, flowCollectionPadding: false })
}

async function text(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    throw new Failure('not-found', 'the definition cannot be read', { where: file, cause })
  }
}
