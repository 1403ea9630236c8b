import { createHash, randomUUID } from 'node:crypto'
import { lstatSync } from 'node:fs'
import { mkdir, readdir, readFile, realpath, rename, stat, unlink, writeFile } from 'node:fs/promises'
import { join, relative, resolve } from 'node:path'
import { z } from 'zod'
import { errnoOf } from '../core/failure.ts'
import { ifThere } from '../host/files.ts'

/** Entries remembered per folder, and folders remembered: the most recent ones. */
const entriesMax = 20_000
const foldersMax = 200

const stamps = z.record(z.string(), z.string())

/** What exec created in a folder, so that it may replace that, and only that, without being asked. */
export interface Made {
  /** Did exec create what is at this absolute path, and has nobody changed it since? */
  isOurs(path: string): boolean
  /** Remembers entries, by their paths relative to the folder. */
  add(paths: readonly string[]): Promise<void>
}

/**
 * Reads what is remembered of a folder. It is kept in the user's cache, since it may be lost: exec then asks for
 * --force.
 * @param cache exec's folder in the user's cache
 */
export async function openMade(cache: string, folder: string): Promise<Made> {
  const root = (await ifThere(realpath(folder))) ?? resolve(folder)
  const file = join(cache, `${createHash('sha256').update(root).digest('hex').slice(0, 32)}.json`)
  const known = await remembered(file)
  return {
    isOurs(path) {
      const stamp = known[relative(resolve(folder), resolve(path))]
      return stamp !== undefined && stamp === stampOf(path)
    },
    async add(paths) {
      const now = paths.map((path) => [path, stampOf(join(folder, path))] as const)
      const all = { ...known }
      for (const [path, stamp] of now) {
        // Re-inserted, it comes after the others: the first ones are forgotten first.
        delete all[path]
        if (stamp !== undefined) all[path] = stamp
      }
      await write(cache, file, Object.fromEntries(Object.entries(all).slice(-entriesMax)))
    },
  }
}

async function remembered(file: string): Promise<Record<string, string>> {
  try {
    return stamps.parse(JSON.parse(await readFile(file, 'utf8')))
  } catch (error) {
    // Missing, or not written by us: nothing is known.
    if (errnoOf(error) === 'ENOENT' || error instanceof SyntaxError || error instanceof z.ZodError) return {}
    throw error
  }
}

/** Changes when somebody writes to an entry or replaces it; undefined if there is none. */
function stampOf(path: string): string | undefined {
  const stats = lstatSync(path, { throwIfNoEntry: false, bigint: true })
  return stats && `${stats.ino}/${stats.size}/${stats.mtimeNs}/${stats.mode}`
}

async function write(cache: string, file: string, entries: Record<string, string>): Promise<void> {
  await mkdir(cache, { recursive: true, mode: 0o700 })
  const aside = `${file}.${randomUUID()}`
  await writeFile(aside, JSON.stringify(entries), { mode: 0o600 })
  await rename(aside, file)
  await forgetOldest(cache)
}

async function forgetOldest(cache: string): Promise<void> {
  const names = await readdir(cache)
  if (names.length <= foldersMax) return
  const aged = await Promise.all(names.map(async (name) => ({ name, at: (await stat(join(cache, name))).mtimeMs })))
  const old = aged.toSorted((a, b) => a.at - b.at).slice(0, names.length - foldersMax)
  for (const { name } of old) await unlink(join(cache, name))
}
