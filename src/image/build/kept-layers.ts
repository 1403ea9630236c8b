import { createHash, randomUUID } from 'node:crypto'
import { constants, copyFile, link, mkdir, readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { errnoOf, Failure } from '../../core/failure.ts'
import { ifThere } from '../../host/files.ts'
import { contentDigestOf, contentDigestSchema } from '../content-digest.ts'
import { fileContent, sizeIfThere, smallFile } from '../media/files.ts'
import { ociLayerGzip } from '../media-types.ts'
import { verified } from '../verified.ts'
import type { WrittenLayer } from './layer.ts'

/** Some thirty of our images without common layers. */
const bytesMaxUsual = 2 * 1024 ** 3
const factsBytesMax = 4096
/** Older files are left over from a build that was killed; no build takes this long. */
const leftoverMs = 24 * 60 * 60_000
const [blobName, factsName, newPrefix] = ['layer.tar.gz', 'layer.json', 'new-']

/** A cache of finished layers, keyed by what they were made from. */
export interface KeptLayers {
  /**
   * Puts the layer with this key at `file`, verified.
   * @returns undefined if there is none, or if it was damaged, which is reported and removed
   */
  take(key: string, file: string, say?: (text: string) => void): Promise<WrittenLayer | undefined>
  /**
   * Stores a layer, and evicts the least recently used if there are too many. A folder that cannot be written is
   * reported but not an error: the image does not depend on it.
   */
  keep(key: string, layer: WrittenLayer, say?: (text: string) => void): Promise<void>
}

const factsSchema = z.strictObject({
  digest: contentDigestSchema,
  size: z.int().positive(),
  diffId: contentDigestSchema,
  sum: z.string(),
})
type Facts = z.output<typeof factsSchema>

/** The key of everything that determines a layer. */
export function layerKey(parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex')
}

/**
 * Layers in a folder, with a subfolder for each. Any number of processes may use it, and may be killed: entries are
 * renamed into place when complete, and renamed again before they are read.
 * @param bytesMax total size limit
 */
export function keptLayers(folder: string, bytesMax = bytesMaxUsual): KeptLayers {
  return {
    async take(key, file, say) {
      const entry = join(folder, key)
      if ((await sizeIfThere(join(entry, factsName))) === undefined) return undefined
      try {
        const layer = await readEntry(key, entry, file)
        const now = new Date()
        await utimes(entry, now, now)
        return layer
      } catch (error) {
        if (!(error instanceof Failure) && errnoOf(error) === undefined) throw error
        say?.('a cached layer is damaged and is built again')
        await rm(file, { force: true })
        await rm(entry, { recursive: true, force: true })
        return undefined
      }
    },

    async keep(key, layer, say) {
      try {
        await writeEntry(folder, key, layer)
        await trim(folder, bytesMax)
      } catch (error) {
        const code = errnoOf(error)
        if (code === undefined) throw error
        say?.(`the layer could not be cached for later builds: ${code} in ${folder}`)
      }
    },
  }
}

async function readEntry(key: string, entry: string, file: string): Promise<WrittenLayer> {
  const facts = readFacts(await smallFile(join(entry, factsName), factsBytesMax, 'the record of a cached layer'), key)
  await linkOrCopy(join(entry, blobName), file)
  const descriptor = { mediaType: ociLayerGzip, digest: facts.digest, size: facts.size }
  for await (const _ of verified(await fileContent(file, 'a layer'), descriptor, entry)) {
    // Reading it to the end verifies it.
  }
  return { descriptor, diffId: facts.diffId, file }
}

function readFacts(bytes: Uint8Array, key: string): Facts {
  const facts = factsSchema.safeParse(jsonOrUndefined(new TextDecoder().decode(bytes)))
  if (facts.success && facts.data.sum === sumOf(key, facts.data)) return facts.data
  throw new Failure('corrupt', 'the record of a cached layer is damaged', { where: key })
}

/** The blob is verified by its digest; this verifies the digest, and that of the tar inside. */
function sumOf(key: string, { digest, size, diffId }: Omit<Facts, 'sum'>): string {
  return contentDigestOf(Buffer.from(JSON.stringify([key, digest, size, diffId])))
}

async function writeEntry(folder: string, key: string, layer: WrittenLayer): Promise<void> {
  const fresh = join(folder, `${newPrefix}${randomUUID()}`)
  await mkdir(fresh, { recursive: true })
  try {
    await linkOrCopy(layer.file, join(fresh, blobName))
    const facts = { digest: layer.descriptor.digest, size: layer.descriptor.size, diffId: layer.diffId }
    await writeFile(join(fresh, factsName), JSON.stringify({ ...facts, sum: sumOf(key, facts) }))
    await rename(fresh, join(folder, key))
  } catch (error) {
    await rm(fresh, { recursive: true, force: true })
    // Another build was faster, with the same result.
    if (errnoOf(error) !== 'ENOTEMPTY' && errnoOf(error) !== 'EEXIST') throw error
  }
}

async function linkOrCopy(from: string, to: string): Promise<void> {
  try {
    await link(from, to)
  } catch (error) {
    // Other errors will recur with the copy: another file system, or one without links.
    if (errnoOf(error) === 'ENOENT') throw error
    await copyFile(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE)
  }
}

async function trim(folder: string, bytesMax: number): Promise<void> {
  const entries: { path: string; usedMs: number; bytes: number }[] = []
  for (const name of await readdir(folder)) {
    const path = join(folder, name)
    const facts = await ifThere(stat(path))
    if (facts) entries.push({ path, usedMs: facts.mtimeMs, bytes: (await sizeIfThere(join(path, blobName))) ?? 0 })
  }
  let bytes = entries.reduce((sum, each) => sum + each.bytes, 0)
  const now = Date.now()
  for (const each of entries.sort((a, b) => a.usedMs - b.usedMs)) {
    const isNew = each.path.startsWith(join(folder, newPrefix))
    if (isNew ? now - each.usedMs < leftoverMs : bytes <= bytesMax) continue
    await rm(each.path, { recursive: true, force: true })
    bytes -= each.bytes
  }
}

function jsonOrUndefined(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}
