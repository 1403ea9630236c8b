import { join } from 'node:path'
import { openDigestFolders } from './digest-folders.ts'
import { orAborted } from './fetches.ts'
import type { StoredLayer } from './image-source.ts'

/** The layers of images, each stored once, however many images have it. */
export interface StoredLayers {
  /** What they take on disk. */
  readonly bytes: number
  /**
   * A layer, with one user more; `store` puts it into an empty folder if it is not there.
   * @throws what `store` throws; the signal's reason
   */
  hold(diffId: string, store: (folder: string) => Promise<number>, signal: AbortSignal): Promise<StoredLayer>
  /** One user more for each of these, if all are there. */
  take(diffIds: readonly string[]): boolean
  /** One user less for each. */
  release(diffIds: readonly string[]): void
  /** Removes the layer that has been without users for longest; false if all have some. */
  dropUnused(): boolean
}

interface Layer extends StoredLayer {
  /** Images that consist of it, and those that are being unpacked. */
  users: number
}

const inner = 'layer'

/**
 * @param directory holds the layers; those from an earlier run are reused
 * @param discard removes a folder, now or later
 */
export function openStoredLayers(directory: string, discard: (path: string) => void): StoredLayers {
  const folders = openDigestFolders(directory, discard)
  /** By diff id; the one that lost its last user last comes last. */
  const layers = new Map<string, Layer>()
  const storing = new Map<string, Promise<Layer>>()
  for (const { digest, folder, facts } of folders.found)
    layers.set(digest, { folder: join(folder, inner), bytes: Number(facts['bytes']) || 0, users: 0 })

  const storeNew = async (diffId: string, store: (folder: string) => Promise<number>): Promise<Layer> => {
    const folder = folders.make(diffId, inner)
    try {
      const bytes = await store(join(folder, inner))
      folders.complete(folder, { bytes })
      const layer = { folder: join(folder, inner), bytes, users: 1 }
      layers.set(diffId, layer)
      return layer
    } catch (error) {
      discard(folder)
      throw error
    }
  }
  const leave = (diffId: string): void => {
    const layer = layers.get(diffId)
    if (!layer) return
    layer.users -= 1
    if (layer.users > 0) return
    layers.delete(diffId)
    layers.set(diffId, layer)
  }

  return {
    get bytes() {
      return [...layers.values()].reduce((sum, { bytes }) => sum + bytes, 0)
    },
    async hold(diffId, store, signal) {
      // Whoever stores it may be given up; then it is the turn of one of those who wait.
      for (let running = storing.get(diffId); running; running = storing.get(diffId))
        await orAborted(Promise.allSettled([running]), signal)
      signal.throwIfAborted()
      const known = layers.get(diffId)
      if (known) {
        known.users += 1
        return known
      }
      const making = storeNew(diffId, store).finally(() => storing.delete(diffId))
      storing.set(diffId, making)
      return await making
    },
    take(diffIds) {
      if (!diffIds.every((each) => layers.has(each))) return false
      for (const each of diffIds) (layers.get(each) as Layer).users += 1
      return true
    },
    release(diffIds) {
      for (const each of diffIds) leave(each)
    },
    dropUnused() {
      for (const [diffId, { folder, users }] of layers) {
        if (users > 0) continue
        layers.delete(diffId)
        discard(join(folder, '..'))
        return true
      }
      return false
    },
  }
}
