import { access, chmod, constants, realpath, stat } from 'node:fs/promises'
import { type Document, isMap, isScalar, parseDocument } from 'yaml'
import { Failure, messageOf } from '../core/failure.ts'
import type { ContentDigest } from './content-digest.ts'
import { writeWhole } from './media/files.ts'
import { type ImageName, imageNameText, parseImageName } from './name.ts'
import { type Platform, parsePlatform } from './platform.ts'
import { readWhole } from './tree/folder.ts'

/** What a refresh of a pin found. */
export interface LockResult {
  readonly file: string
  readonly image: string
  readonly before: string | null
  readonly after: ContentDigest
}

/**
 * Asks where the base's tag points now and writes that digest into the definition; its
 * comments and its order stay, as the file's mode does. Works on a definition that has no digest yet.
 * @param resolve gives the digest that a name has now, which has to be there for these platforms
 * @returns null for an image that has no base
 * @throws Failure 'invalid', 'not-found', 'denied' for a file that is not to be written, and what resolve throws
 */
export async function refreshLock(
  file: string,
  resolve: (image: ImageName, platforms: readonly Platform[]) => Promise<ContentDigest>,
): Promise<LockResult | null> {
  const before = new TextDecoder().decode(await readWhole(file))
  const document = parseDocument(before)
  if (document.errors.length > 0 || !isMap(document.contents))
    throw new Failure('invalid', 'the definition is no YAML map', { where: file })
  const base: unknown = document.get('base')
  if (base === 'scratch') return null
  const named = document.getIn(['base', 'image'])
  if (typeof named !== 'string') throw new Failure('invalid', 'base.image is missing', { where: file })
  const image = parseImageName(named)
  if (image.tag === undefined && image.digest !== undefined)
    throw new Failure('invalid', 'base.image is named by its digest, so there is no tag to look up', {
      where: file,
      next: ['Write it like host/name:tag to follow a tag.'],
    })
  const pinned = document.getIn(['base', 'digest'])
  const after = await resolve(image, platformsOf(document, file))
  if (pinned !== after) await rewrite(file, Buffer.from(withDigest(before, document, after)))
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

/** A definition without platforms is not finished, and a build says so. */
function platformsOf(document: Document, file: string): Platform[] {
  const { platforms } = document.toJS() as { platforms?: unknown }
  if (!Array.isArray(platforms)) return []
  try {
    return platforms.map((each) => parsePlatform(String(each)))
  } catch (cause) {
    throw new Failure('invalid', `platforms: ${messageOf(cause)}`, { where: file, cause })
  }
}

/** In place of what a link leads to, and as it was: somebody may have forbidden to write it, or keep it from others. */
async function rewrite(file: string, bytes: Uint8Array): Promise<void> {
  const path = await realpath(file)
  const { mode } = await stat(path)
  await access(path, constants.W_OK).catch((cause: unknown) => {
    throw readOnly(file, cause)
  })
  // To the superuser the system says yes.
  if ((mode & 0o222) === 0) throw readOnly(file)
  await writeWhole(path, bytes)
  await chmod(path, mode & 0o777)
}

function readOnly(file: string, cause?: unknown): Failure {
  return new Failure('denied', 'the definition is not to be written', {
    where: file,
    next: ['Give yourself the right to write it: chmod u+w.'],
    cause,
  })
}
