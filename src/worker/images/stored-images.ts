import { join } from 'node:path'
import { openDigestFolders } from './digest-folders.ts'
import type { LayerPlace, UnpackedImage } from './image-source.ts'
import { openStoredLayers } from './stored-layers.ts'

/** An image on this machine. */
export interface StoredImage extends UnpackedImage {
  readonly digest: string
  readonly folder: string
  /** The diff ids of its layers, whose files its tree shares. */
  readonly layers: readonly string[]
  /** Actions that run in it, and fetches that have not yet handed it to everybody who waits. */
  users: number
}

/** The unpacked images in a folder, in the order of their last use. */
export interface StoredImages {
  /** What they take on disk, layers counted once. */
  readonly bytes: number
  get(digest: string): StoredImage | undefined
  /** Adds an image with one user, which `unpack` puts into its tree; what is unused makes room. @throws as it does */
  add(digest: string, unpack: (tree: string, layers: LayerPlace) => Promise<UnpackedImage>): Promise<StoredImage>
  /** One user more. */
  use(image: StoredImage): void
  /** One user less. */
  release(image: StoredImage): void
}

export interface StoredImagesOptions {
  /** Holds the images and their layers; those from an earlier run are reused. */
  readonly directory: string
  /** How much disk unused images may take. */
  readonly sizeBytesMax: number
  /** Removes a folder, now or later. */
  readonly discard: (path: string) => void
}

const layersName = 'layers'

export function openStoredImages({ directory, sizeBytesMax, discard }: StoredImagesOptions): StoredImages {
  const folders = openDigestFolders(directory, discard, layersName)
  const layers = openStoredLayers(join(directory, layersName), discard)
  /** By digest; most recently used last. */
  const stored = new Map<string, StoredImage>()
  for (const { digest, folder, facts } of folders.found) {
    const image = { digest, folder, ...factsOf(facts), users: 0 }
    // Removing a layer of an image would free nothing, so one without its layers is not kept either.
    if (layers.take(image.layers)) stored.set(digest, image)
    else discard(folder)
  }

  const total = () => [...stored.values()].reduce((sum, { bytes }) => sum + bytes, layers.bytes)
  const dropUnused = (): boolean => {
    for (const [digest, image] of stored) {
      if (image.users > 0) continue
      stored.delete(digest)
      layers.release(image.layers)
      discard(image.folder)
      return true
    }
    return false
  }
  const makeRoom = () => {
    while (total() > sizeBytesMax) if (!layers.dropUnused() && !dropUnused()) return
  }
  return {
    get bytes() {
      return total()
    },
    get: (digest) => stored.get(digest),
    async add(digest, unpack) {
      const folder = folders.make(digest, treeName)
      const held: string[] = []
      const place: LayerPlace = {
        async get(diffId, store, signal) {
          const layer = await layers.hold(diffId, store, signal)
          held.push(diffId)
          return layer
        },
      }
      try {
        const { bytes, environment } = await unpack(treeOf({ folder }), place)
        folders.complete(folder, { bytes, environment, layers: held })
        const image = { digest, folder, bytes, environment, layers: held, users: 1 }
        stored.set(digest, image)
        makeRoom()
        return image
      } catch (error) {
        discard(folder)
        layers.release(held)
        makeRoom()
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

const treeName = 'tree'

/** The folder with an image's files. */
export function treeOf({ folder }: Pick<StoredImage, 'folder'>): string {
  return join(folder, treeName)
}

function factsOf({ bytes, environment, layers }: Readonly<Record<string, unknown>>) {
  return { bytes: Number(bytes) || 0, environment: texts(environment), layers: texts(layers) }
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : []
}
