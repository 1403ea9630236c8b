import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { errnoOf } from '../../core/failure.ts'

/** The file next to an image's tree that marks it as complete. */
interface Facts {
  readonly bytes: number
  readonly environment: readonly string[]
}

/** An image on this machine. */
export interface StoredImage extends Facts {
  readonly digest: string
  readonly folder: string
  /** Actions that run in it, and fetches that have not yet handed it to everybody who waits. */
  users: number
}

/** The unpacked images in a folder, in the order of their last use. */
export interface StoredImages {
  /** What they take on disk. */
  readonly bytes: number
  get(digest: string): StoredImage | undefined
  /** Adds an image with one user, which `unpack` puts into its tree; what is unused makes room. @throws as it does */
  add(digest: string, unpack: (tree: string) => Promise<Facts>): Promise<StoredImage>
  /** One user more. */
  use(image: StoredImage): void
  /** One user less. */
  release(image: StoredImage): void
}

export interface StoredImagesOptions {
  /** Holds the images; those from an earlier run are reused. */
  readonly directory: string
  /** How much disk unused images may take. */
  readonly sizeBytesMax: number
  /** Removes a folder, now or later. */
  readonly discard: (path: string) => void
}

const factsName = 'image.json'
const folderName = /^sha(256|512)-([0-9a-f]{64,128})\.\d+$/

export function openStoredImages({ directory, sizeBytesMax, discard }: StoredImagesOptions): StoredImages {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  /** By digest; most recently used last. */
  const stored = new Map<string, StoredImage>()
  let numbers = 0
  for (const name of readdirSync(directory)) {
    const known = readFacts(join(directory, name), name)
    const [, bits, hash] = folderName.exec(name) ?? []
    const digest = `sha${bits}:${hash}`
    if (known && hash && !stored.has(digest))
      stored.set(digest, { ...known, digest, folder: join(directory, name), users: 0 })
    else discard(join(directory, name))
    numbers = Math.max(numbers, Number(name.slice(name.lastIndexOf('.') + 1)) || 0)
  }

  const total = () => [...stored.values()].reduce((sum, { bytes }) => sum + bytes, 0)
  const makeRoom = () => {
    for (const [digest, { folder, users }] of stored) {
      if (total() <= sizeBytesMax) return
      if (users > 0) continue
      stored.delete(digest)
      discard(folder)
    }
  }
  return {
    get bytes() {
      return total()
    },
    get: (digest) => stored.get(digest),
    async add(digest, unpack) {
      numbers += 1
      const folder = join(directory, `${digest.replace(':', '-')}.${numbers}`)
      const tree = treeOf({ folder })
      mkdirSync(tree, { recursive: true, mode: 0o755 })
      try {
        const { bytes, environment } = await unpack(tree)
        // It is complete once this file exists.
        writeFileSync(join(folder, 'new'), JSON.stringify({ bytes, environment } satisfies Facts))
        renameSync(join(folder, 'new'), join(folder, factsName))
        const image = { digest, folder, bytes, environment, users: 1 }
        stored.set(digest, image)
        makeRoom()
        return image
      } catch (error) {
        discard(folder)
        throw error
      }
    },
    use(image) {
      stored.delete(image.digest)
      stored.set(image.digest, image)
      image.users += 1
      makeRoom()
    },
    release(image) {
      image.users -= 1
      makeRoom()
    },
  }
}

/** The folder with an image's files. */
export function treeOf({ folder }: Pick<StoredImage, 'folder'>): string {
  return join(folder, 'tree')
}

function readFacts(folder: string, name: string): Facts | undefined {
  if (!folderName.test(name)) return undefined
  try {
    const { bytes, environment } = JSON.parse(readFileSync(join(folder, factsName), 'utf8'))
    return { bytes: Number(bytes), environment: Array.isArray(environment) ? environment.map(String) : [] }
  } catch (error) {
    if (errnoOf(error) === undefined && !(error instanceof SyntaxError)) throw error
    return undefined
  }
}
