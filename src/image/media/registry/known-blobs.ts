import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { type ContentDigest, isContentDigest } from '../../content-digest.ts'

/** Blobs remembered per registry; the most recently seen stay. */
const blobsMax = 1000
/** Maximum length of the file; a longer one was not written here. */
const charactersMax = 2 * 1024 * 1024

const schema = z.object({
  version: z.literal(1),
  /** Oldest first. */
  blobs: z.array(z.tuple([z.string().refine(isContentDigest), z.string().min(1).max(255)])).max(blobsMax),
})

/**
 * The repository of a registry in which a blob was last seen, so that another repository there can mount it even if the
 * copy comes from elsewhere. It is a hint: a registry that no longer has the blob there just opens an upload.
 */
export interface KnownBlobs {
  repositoryOf(digest: ContentDigest): string | undefined
  saw(digest: ContentDigest, repository: string): void
  /** Saves it. If that fails, or another process saves meanwhile, nothing important is lost. */
  keep(): Promise<void>
}

/**
 * @param folder `native`'s cache folder; undefined remembers nothing
 * @param registry `host` or `host:port`
 */
export async function openKnownBlobs(folder: string | undefined, registry: string): Promise<KnownBlobs> {
  const file = folder === undefined ? undefined : join(folder, 'blobs', `${encodeURIComponent(registry)}.json`)
  const blobs = new Map(file === undefined ? [] : await readBlobs(file))
  let isChanged = false
  return {
    repositoryOf: (digest) => blobs.get(digest),
    saw(digest, repository) {
      isChanged ||= blobs.get(digest) !== repository
      blobs.delete(digest)
      blobs.set(digest, repository)
    },
    async keep() {
      if (file === undefined || !isChanged) return
      const newest = [...blobs].slice(-blobsMax)
      await replace(file, JSON.stringify({ version: 1, blobs: newest })).catch(() => undefined)
    },
  }
}

async function readBlobs(file: string): Promise<readonly (readonly [ContentDigest, string])[]> {
  try {
    const text = await readFile(file, 'utf8')
    return text.length > charactersMax ? [] : schema.parse(JSON.parse(text)).blobs
  } catch {
    return []
  }
}

async function replace(file: string, text: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true })
  const temporary = `${file}.${process.pid}`
  try {
    await writeFile(temporary, text)
    await rename(temporary, file)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}
