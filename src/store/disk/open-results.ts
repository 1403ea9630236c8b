import { resultOf } from '../evictions.ts'
import type { DiskContext } from './context.ts'
import { createEviction } from './eviction.ts'
import type { StoreFolder } from './folder.ts'
import { openPart, type Part } from './part.ts'

/** Recovers the action results of a store, and evicts what is more than there is room for. */
export async function openResults(folder: StoreFolder, bytesMax: number, context: DiskContext): Promise<Part> {
  const part = openPart(context, {
    folder: folder.results,
    aside: folder.aside,
    bytesMax,
    apart: false,
    evict: (room, inVain) => evict(room, inVain),
    nameOf: resultOf,
  })
  const evict = createEviction({ ...part, order: 'oldest' })
  await part.space.hold(0)
  return part
}
