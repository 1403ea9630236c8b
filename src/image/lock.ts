import { access, chmod, constants, realpath, stat } from 'node:fs/promises'
import { type Document, isAlias, isMap, isScalar, parseDocument, type YAMLMap } from 'yaml'
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
    throw new Failure('invalid', 'the definition is not a YAML map', { where: file })
  const base: unknown = document.get('base')
  if (base === 'scratch') return null
  const map = baseOf(document)
  const named = map?.get('image')
  if (!map || typeof named !== 'string') throw new Failure('invalid', 'base.image is missing', { where: file })
  const image = parseImageName(named)
  if (image.tag === undefined && image.digest !== undefined)
    throw new Failure('invalid', 'base.image has a digest, so there is no tag to look up', {
      where: file,
      next: ['Write it as host/name:tag to follow a tag.'],
    })
  const pinned = map.get('digest')
  const after = await resolve(image, platformsOf(document, file))
  if (pinned !== after) await rewrite(file, Buffer.from(withDigest(before, map, after)))
  return { file, image: imageNameText(image), before: typeof pinned === 'string' ? pinned : null, after }
}

/** The map that says the base, also where it stands under another name (an alias of YAML). */
function baseOf(document: Document): YAMLMap | undefined {
  const node = document.get('base', true)
  const found = isAlias(node) ? node.resolve(document) : node
  return isMap(found) ? found : undefined
}

/**
 * The text with another digest and nothing else changed, for whoever reads the difference: comments, blanks and line
 * ends stay. A first one comes behind the image, on a line of its own unless the map stands in one line.
 * @throws Failure 'invalid' where nothing says where that is
 */
function withDigest(before: string, map: YAMLMap, digest: ContentDigest): string {
  const old = map.get('digest', true)
  if (isScalar(old) && old.range) {
    const [start, end] = old.range
    const isBlock = old.type === 'BLOCK_FOLDED' || old.type === 'BLOCK_LITERAL'
    const tail = isBlock && /\s$/.test(before.slice(start, end)) ? lineEnd(before) : ''
    // Behind the colon of a key that has no value yet there may be no blank.
    const lead = before[start - 1] === ':' ? ' ' : ''
    return `${before.slice(0, start)}${lead}${digest}${tail}${before.slice(end)}`
  }
  const pair = map.items.find(({ key }) => isScalar(key) && key.value === 'image')
  const [start, end] = [
    isScalar(pair?.key) ? pair.key.range?.[0] : undefined,
    isScalar(pair?.value) ? pair.value.range?.[1] : undefined,
  ]
  if (start === undefined || end === undefined)
    throw new Failure('invalid', 'base.image is written in a way that leaves no place for a digest beside it', {
      next: [`Add it yourself: digest: ${digest}`],
    })
  if (map.flow) return `${before.slice(0, end)}, digest: ${digest}${before.slice(end)}`
  const indent = before.slice(before.lastIndexOf('\n', start - 1) + 1, start).replace(/\S/g, ' ')
  const next = before.indexOf('\n', end)
  const line = `${indent}digest: ${digest}`
  return next < 0
    ? `${before}${lineEnd(before)}${line}${lineEnd(before)}`
    : `${before.slice(0, next + 1)}${line}${lineEnd(before)}${before.slice(next + 1)}`
}

function lineEnd(text: string): string {
  return text.includes('\r\n') ? '\r\n' : '\n'
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
  return new Failure('denied', 'the definition is write-protected', {
    where: file,
    next: ['Make it writable: chmod u+w.'],
    cause,
  })
}
