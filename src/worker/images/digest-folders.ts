import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { errnoOf } from '../../core/failure.ts'

/** Folders named after the digests of their content; each is complete, or of no use after a restart. */
export interface DigestFolders {
  /** The complete ones of an earlier run. */
  readonly found: readonly FoundFolder[]
  /** A new folder, with an empty one in it; its name is never given again. */
  make(digest: string, inner: string): string
  /** From now on it outlives this process, with these facts. @throws a system error */
  complete(folder: string, facts: object): void
}

export interface FoundFolder {
  readonly digest: string
  readonly folder: string
  /** As they were given, or whatever else is in that file. */
  readonly facts: Readonly<Record<string, unknown>>
}

/** The file that makes a folder complete. */
const factsName = 'facts.json'
const folderName = /^sha(256|512)-([0-9a-f]{64,128})\.\d+$/

/**
 * @param apart a name in the directory that is not for such folders
 * @param discard removes a folder, now or later; called for all that is there and not complete
 */
export function openDigestFolders(directory: string, discard: (path: string) => void, apart = ''): DigestFolders {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const found = new Map<string, FoundFolder>()
  let numbers = 0
  for (const name of readdirSync(directory)) {
    if (name === apart) continue
    const folder = join(directory, name)
    const [, bits, hash] = folderName.exec(name) ?? []
    const digest = `sha${bits}:${hash}`
    const facts = hash === undefined || found.has(digest) ? undefined : readFacts(folder)
    if (facts) found.set(digest, { digest, folder, facts })
    else discard(folder)
    numbers = Math.max(numbers, Number(name.slice(name.lastIndexOf('.') + 1)) || 0)
  }
  return {
    found: [...found.values()],
    make(digest, inner) {
      numbers += 1
      const folder = join(directory, `${digest.replace(':', '-')}.${numbers}`)
      mkdirSync(join(folder, inner), { recursive: true, mode: 0o755 })
      return folder
    },
    complete(folder, facts) {
      writeFileSync(join(folder, 'new'), JSON.stringify(facts))
      renameSync(join(folder, 'new'), join(folder, factsName))
    },
  }
}

function readFacts(folder: string): FoundFolder['facts'] | undefined {
  try {
    const facts: unknown = JSON.parse(readFileSync(join(folder, factsName), 'utf8'))
    return typeof facts === 'object' && facts !== null ? { ...facts } : undefined
  } catch (error) {
    if (errnoOf(error) === undefined && !(error instanceof SyntaxError)) throw error
    return undefined
  }
}
