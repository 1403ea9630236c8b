import { access, chmod, constants, realpath, stat } from 'node:fs/promises'
import { type Document, isAlias, isMap, isScalar, parseDocument, type YAMLMap } from 'yaml'
import { Failure, messageOf } from '../core/failure.ts'
import type { ContentDigest } from './content-digest.ts'
import { writeWhole } from './media/files.ts'
import { type ImageName, imageNameText, parseImageName } from './name.ts'
import { type Platform, parsePlatform } from './platform.ts'
import { readWhole } from './tree/folder.ts'

/** The result of refreshing a pin. */
export interface LockResult {
  readonly file: string
  readonly image: string
  readonly before: string | null
  readonly after: ContentDigest
}

/**
 * Looks up where the base's tag points now and writes that digest into the definition, whose comments, order and file
 * mode stay. Works on a definition without a digest, too.
 * @param resolve returns the current digest of a name, which must exist for these platforms
 * @returns null for an image without a base
 * @throws Failure 'invalid', 'not-found', 'denied' for a read-only file, and what resolve throws
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

/** The map with the base, also if it is elsewhere (a YAML alias). */
function baseOf(document: Document): YAMLMap | undefined {
  const node = document.get('base', true)
  const found = isAlias(node) ? node.resolve(document) : node
  return isMap(found) ? found : undefined
}

/**
 * The text with a new digest and nothing else changed, to keep the diff small: comments, spaces and line endings stay.
 * A first digest is put after the image, on a line of its own unless the map is on one line.
 * @throws Failure 'invalid' if that place cannot be found
 */
function withDigest(before: string, map: YAMLMap, digest: ContentDigest): string {
  const old = map.get('digest', true)
  if (isScalar(old) && old.range) {
    const [start, end] = old.range
    const isBlock = old.type === 'BLOCK_FOLDED' || old.type === 'BLOCK_LITERAL'
    const tail = isBlock && /\s$/.test(before.slice(start, end)) ? lineEnd(before) : ''
    // After the colon of a key without a value there may be no space.
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

/** A definition without platforms is incomplete, which a build reports. */
function platformsOf(document: Document, file: string): Platform[] {
  const { platforms } = document.toJS() as { platforms?: unknown }
  if (!Array.isArray(platforms)) return []
  try {
    return platforms.map((each) => parsePlatform(String(each)))
  } catch (cause) {
    throw new Failure('invalid', `platforms: ${messageOf(cause)}`, { where: file, cause })
  }
}

/** Replaces the target of a link, and keeps its mode: somebody may have made it read-only or private. */
async function rewrite(file: string, bytes: Uint8Array): Promise<void> {
  const path = await realpath(file)
  const { mode } = await stat(path)
  await access(path, constants.W_OK).catch((cause: unknown) => {
    throw readOnly(file, cause)
  })
  // For root, the system allows everything.
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
