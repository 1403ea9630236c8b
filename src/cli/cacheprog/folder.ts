import { createHash, randomUUID } from 'node:crypto'
import { mkdir, open, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import type { Digest } from '../../core/digest.ts'
import { errnoOf } from '../../core/failure.ts'
import { makePrivateFolder } from '../../host/folders.ts'

/** What is known about an action: its output, and since when. */
export interface Entry {
  /** The go command's own name of the output, in hexadecimal. */
  readonly outputId: string
  /** Of the output. */
  readonly digest: Digest
  /** When it was put, in milliseconds since 1970. */
  readonly timeMs: number
}

/**
 * Outputs of actions on this machine: the go command reads them as files. Whatever is used is touched, so that trim.ts
 * can remove the least recently used.
 */
export interface Folder {
  /** An action's entry whose file exists; undefined if there is no entry, or no file. */
  find(actionId: string): Promise<Entry | undefined>
  /** The path of an output's file, whether or not it exists. */
  fileOf(digest: Digest): string
  /** Does an output's file exist? If so, it is touched. */
  has(digest: Digest): Promise<boolean>
  /** Stores an output given in pieces; returns its digest. */
  take(pieces: AsyncIterable<Uint8Array>): Promise<Digest>
  /** Stores an output that `make` writes to a new file. */
  takeFile(digest: Digest, make: (path: string) => Promise<void>): Promise<void>
  /** Stores an action's entry. */
  remember(actionId: string, entry: Entry): Promise<void>
}

const entrySchema = z.object({
  outputId: z.string().regex(/^[0-9a-f]{2,128}$/),
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  size: z.int().nonnegative(),
  timeMs: z.int(),
})

/** Opens or creates the folder, for this user alone, since outputs are executed. @throws Failure 'denied' and others */
export function openFolder(root: string): Folder {
  for (const kind of ['outputs', 'actions']) makePrivateFolder(join(root, kind), process.getuid?.() ?? -1)
  const placeOf = (kind: 'outputs' | 'actions', name: string) => join(root, kind, name.slice(0, 2), name)
  const fileOf = ({ hash }: Digest) => placeOf('outputs', hash)

  async function has(digest: Digest): Promise<boolean> {
    const path = fileOf(digest)
    try {
      const now = new Date()
      // Touched first, so that nobody removes it from then on.
      await utimes(path, now, now)
      return (await stat(path)).size === digest.size
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return false
      throw error
    }
  }

  async function placed(digest: Digest, aside: string): Promise<void> {
    await mkdir(dirname(fileOf(digest)), { recursive: true, mode: 0o700 })
    await rename(aside, fileOf(digest))
  }

  return {
    fileOf,
    has,
    async find(actionId) {
      const path = placeOf('actions', actionId)
      try {
        const { hash, size, ...rest } = entrySchema.parse(JSON.parse(await readFile(path, 'utf8')))
        const entry: Entry = { ...rest, digest: { fn: 'sha256', hash, size } }
        if (!(await has(entry.digest))) return undefined
        const now = new Date()
        await utimes(path, now, now)
        return entry
      } catch (error) {
        // Missing, or not written by us: nothing is known.
        if (errnoOf(error) === 'ENOENT' || error instanceof SyntaxError || error instanceof z.ZodError) return undefined
        throw error
      }
    },
    async take(pieces) {
      const aside = join(root, `${randomUUID()}.part`)
      const hasher = createHash('sha256')
      let size = 0
      const file = await open(aside, 'wx', 0o600)
      try {
        try {
          for await (const piece of pieces) {
            hasher.update(piece)
            for (let at = 0; at < piece.length; ) at += (await file.write(piece, at)).bytesWritten
            size += piece.length
          }
        } finally {
          await file.close()
        }
        const digest: Digest = { fn: 'sha256', hash: hasher.digest('hex'), size }
        await placed(digest, aside)
        return digest
      } catch (error) {
        await rm(aside, { force: true })
        throw error
      }
    },
    async takeFile(digest, make) {
      const aside = join(root, `${randomUUID()}.part`)
      try {
        await make(aside)
        await placed(digest, aside)
      } catch (error) {
        await rm(aside, { force: true })
        throw error
      }
    },
    async remember(actionId, { outputId, digest, timeMs }) {
      const path = placeOf('actions', actionId)
      const aside = join(root, `${randomUUID()}.part`)
      await mkdir(dirname(path), { recursive: true, mode: 0o700 })
      await writeFile(aside, JSON.stringify({ outputId, hash: digest.hash, size: digest.size, timeMs }), {
        mode: 0o600,
      })
      await rename(aside, path)
    },
  }
}
