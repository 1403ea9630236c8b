import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { wireDigest } from '../../src/client/context.ts'
import { re } from '../../src/wire/proto.ts'
import { Code } from '../../src/wire/rpc.ts'
import { withRoom, withRoomSync } from '../../src/worker/make-room.ts'
import { seededBlob } from '../fixture/blob.ts'
import { testFolder } from '../fixture/folder.ts'
import { openContext, shell, type TestContext } from './worker-context.ts'

vi.setConfig({ testTimeout: 30_000 })

const diskBytes = 12_000_000

function mount(folder: string): boolean {
  return spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${diskBytes}`, 'tmpfs', folder]).status === 0
}

const canMount = (() => {
  const folder = mkdtempSync(join(tmpdir(), 'nt-disk-'))
  const mounted = mount(folder)
  if (mounted) execFileSync('umount', [folder])
  rmdirSync(folder)
  return mounted
})()

/** A worker on a small disk, whose cache believes that it may have more than that. */
async function openSmallContext(): Promise<TestContext> {
  const directory = await testFolder()
  mount(directory)
  onTestFinished(() => void execFileSync('umount', ['--lazy', directory]))
  return openContext({ directory, cacheBytes: 1e9 })
}

/** Runs an action with inputs that nobody has had before. */
async function runWith(context: TestContext, count: number, bytes: number, seed: number) {
  const files = []
  for (let at = 0; at < count; at += 1) {
    const digest = wireDigest(await context.put(seededBlob(seed * 1000 + at, bytes).bytes))
    files.push({ name: `f${String(at).padStart(4, '0')}`, digest })
  }
  const root = await context.put(re.Directory.encode({ files }).finish())
  return context.perform({ root, command: shell('cat f* | wc -c') })
}

// Elsewhere no small disk can be had, and what follows below has to do.
if (canMount)
  describe('S7: on a full disk', () => {
    test.each([
      ['large', 1, 4_000_000],
      ['medium', 16, 250_000],
      ['small', 400, 10_000],
    ])('what nobody uses gives way to new inputs: %s ones', async (_what, count, bytes) => {
      const context = await openSmallContext()
      for (let seed = 0; seed < 6; seed += 1) {
        const { stdout, response } = await runWith(context, count, bytes, seed)
        expect([response.status?.message, stdout.trim()]).toEqual([undefined, String(count * bytes)])
      }
    })

    test('an action that cannot have room is given back as that, and the next one runs', async () => {
      const context = await openSmallContext()
      const { response } = await runWith(context, 2, 4_000_000, 1)
      expect(response.status).toMatchObject({ code: Code.UNAVAILABLE, message: expect.stringContaining('disk') })
      expect(readdirSync(join(context.directory, 'work'))).toEqual([])
      expect((await runWith(context, 1, 4_000_000, 2)).stdout.trim()).toBe('4000000')
    })
  })

const diskFull = () => Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' })

test('work is done again as long as there is something to give up for it', async () => {
  let free = -2
  const makeRoom = () => {
    free += 1
    return true
  }
  const work = () => {
    if (free < 0) throw diskFull()
    return 'done'
  }
  expect(withRoomSync(makeRoom, 10, work)).toBe('done')
  free = -3
  expect(await withRoom(makeRoom, 10, async () => work())).toBe('done')
})

test('when nothing is left to give up, that is told; other failures are not touched', async () => {
  const fail = (error: Error) => () => {
    throw error
  }
  const nothing = () => false
  expect(() => withRoomSync(nothing, 10, fail(diskFull()))).toThrow(expect.objectContaining({ kind: 'exhausted' }))
  await expect(withRoom(nothing, 10, fail(diskFull()))).rejects.toMatchObject({ kind: 'exhausted' })
  const other = new Error('other')
  expect(() => withRoomSync(() => true, 10, fail(other))).toThrow(other)
})
