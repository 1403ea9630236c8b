import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { errnoOf, Failure } from '../../core/failure.ts'
import { systemFailure } from '../../host/system-errors.ts'
import { algorithmOf, type ContentDigest, hexOf } from '../content-digest.ts'
import {
  checked,
  type Descriptor,
  descriptorOf,
  type Index,
  manifestBytesMax,
  parseJson,
  parseManifest,
  type RawManifest,
  rawManifest,
  unreadType,
} from '../manifest.ts'
import { isIndexType, isManifestType, ociIndex } from '../media-types.ts'
import type { Destination, Source } from '../medium.ts'
import { removeLeftovers } from '../partial.ts'
import { verifiedManifest } from '../verified.ts'
import { withFileLock } from './file-lock.ts'
import { fileContent, ownFolder, sizeIfThere, smallFile, writeWhole } from './files.ts'

/** The annotation that names an image in a layout (image-spec, annotations.md). */
export const refNameKey = 'org.opencontainers.image.ref.name'
/** The full image name that containerd and docker add in a layout. */
const containerdNameKey = 'io.containerd.image.name'
const versionFile = 'oci-layout'
const namesShownMax = 20
export const layoutText = '{"imageLayoutVersion":"1.0.0"}'
const layoutVersion = z.looseObject({ imageLayoutVersion: z.literal('1.0.0') })

/** Access to a layout's files, in a folder or in an archive. */
export interface LayoutFiles {
  readonly name: string
  small(path: string, bytesMax: number, what: string): Promise<Uint8Array>
  content(path: string, what: string): Promise<AsyncIterable<Uint8Array>>
  close(): Promise<void>
}

/** `blobs/sha256/<hex>`: where a layout keeps content (image-spec, image-layout.md). */
export function blobPath(digest: ContentDigest): string {
  return `blobs/${algorithmOf(digest)}/${hexOf(digest)}`
}

/** @throws Failure 'not-found' where no layout is, and what the system says of a path that cannot be read */
async function assertLayout(path: string): Promise<void> {
  try {
    await stat(join(path, versionFile))
  } catch (cause) {
    if (errnoOf(cause) !== 'ENOENT') throw systemFailure(cause, { doing: 'cannot read the OCI layout', where: path })
    throw new Failure('not-found', 'there is no OCI layout', {
      where: path,
      next: [
        `A layout is a folder with a file ${versionFile}. Other forms: docker-archive:FILE, oci-archive:FILE, dir:DIR.`,
      ],
    })
  }
}

/** Opens an OCI layout in a folder; `image` may be left out when it holds one. */
export async function openLayoutSource(path: string, image: string | undefined): Promise<Source> {
  await assertLayout(path)
  return layoutSource(
    {
      name: `oci:${path}${image === undefined ? '' : `:${image}`}`,
      small: (name, bytesMax, what) => smallFile(join(path, name), bytesMax, what),
      content: (name, what) => fileContent(join(path, name), what),
      close: async () => undefined,
    },
    image,
  )
}

/**
 * A source over a layout's files.
 * @throws Failure 'not-found' without a layout or without that image, 'invalid' for a layout
 *   of another version
 */
export async function layoutSource(files: LayoutFiles, image: string | undefined): Promise<Source> {
  const where = files.name
  const version = parseJson(
    await files.small(versionFile, 4096, `${versionFile}, so it is not an OCI archive`),
    versionFile,
    where,
  )
  checked(layoutVersion, version, versionFile, where)
  const top = await readIndex(files)
  const root = chosen(top, image, where)
  const entries = new Map(top.manifests.map((each) => [each.digest, each]))
  return {
    name: where,
    async manifest(digest = root.digest) {
      const bytes = await files.small(blobPath(digest), manifestBytesMax, `the manifest ${digest}`)
      const entry = entries.get(digest)
      if (entry && entry.size !== bytes.byteLength) {
        const what = `the manifest ${digest} has ${bytes.byteLength} bytes, index.json says ${entry.size}`
        throw new Failure('corrupt', what, { where })
      }
      return verifiedManifest(bytes, entry?.mediaType, digest, where)
    },
    blob: (descriptor) => files.content(blobPath(descriptor.digest), `the blob ${descriptor.digest}`),
    close: () => files.close(),
  }
}

/**
 * Opens a layout in a folder for writing: other images in it stay, one of the same name is replaced; without a name,
 * the unnamed one is.
 * @throws Failure 'exists' for a folder that holds something else
 */
export async function openLayoutDestination(path: string, image: string | undefined): Promise<Destination> {
  await assertLayoutOrEmpty(path)
  let root: Descriptor | undefined
  return {
    name: `oci:${path}${image === undefined ? '' : `:${image}`}`,
    holds: 'oci',
    parallelMax: 6,
    hasBlob: async (descriptor) => (await sizeIfThere(join(path, blobPath(descriptor.digest)))) === descriptor.size,
    async putBlob(descriptor, open) {
      await writeWhole(join(path, blobPath(descriptor.digest)), await open())
      return 'written'
    },
    async putManifest(raw, isRoot) {
      await writeWhole(join(path, blobPath(raw.digest)), raw.bytes)
      if (isRoot) root = layoutEntry(raw, image)
    },
    async commit() {
      if (!root) return
      const entry = root
      await writeWhole(join(path, versionFile), Buffer.from(layoutText))
      const index = join(path, 'index.json')
      await withFileLock(index, async () => writeWhole(index, await indexWith(index, entry, image)))
    },
    // Complete blobs stay: no index names them yet, and a retry finds them.
    abort: async () => undefined,
  }
}

/** The entry of index.json for an image under a name. */
export function layoutEntry(raw: RawManifest, image: string | undefined): Descriptor {
  const { mediaType, digest, size } = descriptorOf(raw)
  return { mediaType, digest, size, ...(image === undefined ? {} : { annotations: { [refNameKey]: image } }) }
}

/** index.json's bytes, preserving other fields of the one that is replaced. */
export function indexBytes(manifests: readonly Descriptor[], before: object = {}): Uint8Array {
  return Buffer.from(JSON.stringify({ ...before, schemaVersion: 2, mediaType: ociIndex, manifests }))
}

async function readIndex(files: LayoutFiles): Promise<Index> {
  const bytes = await files.small('index.json', manifestBytesMax, 'the file index.json')
  const index = parseManifest(rawManifest(bytes, ociIndex, files.name), files.name)
  if (index.kind === 'index') return index
  throw new Failure('invalid', 'index.json is not an image index', { where: files.name })
}

/** The names that an entry goes by: OCI's, containerd's (docker save writes both), and its digest. */
function namesOf({ annotations, digest }: Descriptor): string[] {
  return [annotations?.[refNameKey], annotations?.[containerdNameKey], digest].filter((each) => each !== undefined)
}

function chosen(index: Index, image: string | undefined, where: string): Descriptor {
  const isImage = ({ mediaType }: Descriptor): boolean => isManifestType(mediaType) || isIndexType(mediaType)
  const named = (name: string, from: readonly Descriptor[]) => from.filter((each) => namesOf(each).includes(name))
  const images = index.manifests.filter(isImage)
  const fit = image === undefined ? images : named(image, images)
  const [only] = fit
  // Named twice, or under several names, it is still one image.
  if (only && fit.every((each) => each.digest === only.digest)) return only
  const other = index.manifests.find((each) => !isImage(each) && (image === undefined || namesOf(each).includes(image)))
  if (!only && other) throw unreadType(other.mediaType, `${where} ${other.digest}`)
  // For each image, its first name that is unique.
  const isUnique = (name: string): boolean => new Set(named(name, images).map((each) => each.digest)).size === 1
  const names = [...new Set(images.flatMap((each) => namesOf(each).find(isUnique) ?? []))].slice(0, namesShownMax)
  const list = names.length === 0 ? 'it has none' : `there are ${names.join(', ')}`
  if (!only)
    throw new Failure('not-found', `the layout has no image${image === undefined ? '' : ` "${image}"`}: ${list}`, {
      where,
    })
  const path = image === undefined ? where : where.slice(0, -image.length - 1)
  throw new Failure(
    'invalid',
    `the layout has ${fit.length} images${image === undefined ? '' : ` named "${image}"`}: ${list}`,
    { where, next: names.slice(0, 3).map((each) => `Name one: ${path}:${each}`) },
  )
}

function replaced(before: readonly Descriptor[], root: Descriptor, image: string | undefined): Descriptor[] {
  const others = before.filter(
    (each) => each.annotations?.[refNameKey] !== image && !(image === undefined && each.digest === root.digest),
  )
  return [...others, root]
}

/** The new index.json, including the image. */
async function indexWith(file: string, root: Descriptor, image: string | undefined): Promise<Uint8Array> {
  if ((await sizeIfThere(file)) === undefined) return indexBytes([root])
  const bytes = await smallFile(file, manifestBytesMax, 'the file index.json')
  const index = parseManifest(rawManifest(bytes, ociIndex, file), file)
  const before = index.kind === 'index' ? index.manifests : []
  return indexBytes(replaced(before, root, image), parseJson(bytes, 'index.json', file) as object)
}

async function assertLayoutOrEmpty(path: string): Promise<void> {
  const names = await ownFolder(path)
  for (const algorithm of ['sha256', 'sha512']) await removeLeftovers(join(path, 'blobs', algorithm))
  // Only blobs: an earlier attempt that ended before its index was written.
  if (names.length > 0 && !names.includes(versionFile) && names.some((each) => each !== 'blobs'))
    throw new Failure('exists', 'the folder is not empty and is not an OCI layout', { where: path })
}
