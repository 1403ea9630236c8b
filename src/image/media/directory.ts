import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { errnoOf, Failure } from '../../core/failure.ts'
import { type ContentDigest, hexOf } from '../content-digest.ts'
import { manifestBytesMax } from '../manifest.ts'
import type { Destination, Source } from '../medium.ts'
import { verifiedManifest } from '../verified.ts'
import { fileContent, ownFolder, sizeIfThere, smallFile, writeWhole } from './files.ts'

const versionText = 'Directory Transport Version: 1.1\n'

/** Opens `dir:`: manifest.json and blobs, named by their hex, in one flat folder (containers-transports(5)). */
export async function openDirectorySource(path: string): Promise<Source> {
  const name = `dir:${path}`
  return {
    name,
    async manifest(digest) {
      const file = digest === undefined ? 'manifest.json' : `${hexOf(digest)}.manifest.json`
      const bytes = await smallFile(join(path, file), manifestBytesMax, `the file ${file}`)
      return verifiedManifest(bytes, undefined, digest, name)
    },
    blob: (descriptor) => fileContent(join(path, hexOf(descriptor.digest)), `the blob ${descriptor.digest}`),
    close: async () => undefined,
  }
}

/**
 * A folder to write one image into, its manifest as it is.
 * @throws Failure 'exists' for a folder that holds something else
 */
export async function openDirectoryDestination(path: string): Promise<Destination> {
  await assertOurs(path)
  let manifest: Uint8Array | undefined
  const blobFile = (digest: ContentDigest): string => join(path, hexOf(digest))
  return {
    name: `dir:${path}`,
    holds: 'any',
    parallelMax: 6,
    hasBlob: async (descriptor) => (await sizeIfThere(blobFile(descriptor.digest))) === descriptor.size,
    async putBlob(descriptor, open) {
      await writeWhole(blobFile(descriptor.digest), await open())
      return 'written'
    },
    async putManifest(raw, isRoot) {
      if (isRoot) manifest = raw.bytes
      else await writeWhole(join(path, `${hexOf(raw.digest)}.manifest.json`), raw.bytes)
    },
    async commit() {
      if (manifest) await writeWhole(join(path, 'manifest.json'), manifest)
    },
    abort: async () => undefined,
  }
}

async function assertOurs(path: string): Promise<void> {
  if ((await ownFolder(path)).length === 0)
    return void (await writeWhole(join(path, 'version'), Buffer.from(versionText)))
  const version = await readFile(join(path, 'version'), 'utf8').catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return ''
    throw error
  })
  if (!version.startsWith('Directory Transport Version: 1.'))
    throw new Failure('exists', 'the folder is not empty and was not written by dir:', { where: path })
}
