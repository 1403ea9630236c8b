import type { FileHandle } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { writeBehind } from '../../src/image/media/write-behind.ts'

/** A file whose disk takes as long as the test wants. */
function file() {
  const syncs: { resolve(): void; reject(error: Error): void }[] = []
  const handle = {
    datasync: () =>
      new Promise<void>((resolve, reject) => {
        syncs.push({ resolve, reject })
      }),
  }
  return { handle: handle as FileHandle, syncs }
}

const mebibytes = 2 ** 20

describe('a file that the disk takes while it grows', () => {
  it('is synced after every 32 MiB, and only one at a time', async () => {
    const [a, b] = [file(), file()]
    const [first, second] = [writeBehind(a.handle), writeBehind(b.handle)]
    first.grew(31 * mebibytes)
    expect(a.syncs).toHaveLength(0)
    first.grew(mebibytes)
    expect(a.syncs).toHaveLength(1)
    first.grew(64 * mebibytes)
    second.grew(64 * mebibytes)
    expect([a.syncs.length, b.syncs.length]).toEqual([1, 0])
    a.syncs[0]?.resolve()
    await first.settled()
    second.grew(1)
    expect(b.syncs).toHaveLength(1)
    b.syncs[0]?.resolve()
    await second.settled()
  })

  it('says in the end what went wrong meanwhile, since the kernel says it once', async () => {
    const { handle, syncs } = file()
    const behind = writeBehind(handle)
    behind.grew(32 * mebibytes)
    syncs[0]?.reject(new Error('EIO'))
    await expect(behind.settled()).rejects.toThrow('EIO')
    const next = file()
    const other = writeBehind(next.handle)
    other.grew(32 * mebibytes)
    expect(next.syncs).toHaveLength(1)
    next.syncs[0]?.resolve()
    await other.settled()
  })
})
