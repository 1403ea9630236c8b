import type { DiskOptions } from '../../src/store/disk/context.ts'
import { verified } from '../../src/store/verified.ts'
import { describeBlobs } from '../contract/blobs.ts'
import { describeResults } from '../contract/results.ts'
import { type DiskFolder, diskFolder } from '../fixture/disk.ts'

/** Blobs take 15 sixteenths of a store. */
const blobsOf = (capacity: number) => Math.ceil((capacity * 16) / 15)

function blobsOn(options: Partial<DiskOptions>) {
  let folder: DiskFolder | undefined
  return {
    async open(capacity: number) {
      folder = diskFolder(blobsOf(capacity) + 64)
      return verified((await folder.open(options)).blobs)
    },
    async clean() {
      folder?.remove()
    },
  }
}

describeBlobs('disk', blobsOn({}))
describeBlobs('disk with every blob over 10 kB in a file', blobsOn({ smallBytesMax: 10_000 }))
describeBlobs('disk that survives power cuts', blobsOn({ durability: 'power' }))

let folder: DiskFolder | undefined
describeResults('disk', {
  async open(capacity) {
    folder = diskFolder(capacity * 16)
    return (await folder.open()).results
  },
  async clean() {
    folder?.remove()
  },
})
