import { execFile } from 'node:child_process'
import { chownSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, onTestFinished, test } from 'vitest'
import { testFolder } from '../fixture/folder.ts'
import { canMount, tmpfs } from '../fixture/tmpfs.ts'

const program = fileURLToPath(new URL('spoil.ts', import.meta.url))
const nobody = 65534

/** What the other actions of a worker have read of a file that one tried to change. */
async function spoil(way: string, inputs: string, uid: number | undefined, place?: string): Promise<unknown> {
  const folder = place ?? (await testFolder())
  if (uid !== undefined) chownSync(folder, uid, uid)
  const args = [program, folder, way, inputs, ...(uid === undefined ? [] : [String(uid)])]
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 30_000 })
  return JSON.parse(stdout)
}

// No mode of a file stops root, so that both have to be tried where that is possible.
const users = process.getuid?.() === 0 ? [undefined, nobody] : [undefined]

const cases = users.flatMap((uid) => ['auto', 'auto in groups', 'links'].map((inputs) => ({ uid, inputs })))

describe.each(cases)('inputs: $inputs, as user $uid', ({ uid, inputs }) => {
  // What left the group of processes writes on where there are no namespaces.
  test.each(['written', 'written at once', 'mapped', ...(process.platform === 'linux' ? ['left'] : [])])(
    'W1, W5, D1: an input that another action changes stays what its digest says: %s',
    async (way) => {
      expect(await spoil(way, inputs, uid)).toEqual({
        spoiler: { exitCode: 0, stderr: '' },
        meanwhile: 'intact',
        later: 'intact',
        spoiltInCache: [],
      })
    },
    40_000,
  )
})

// Only root can write to an input without changing its mode before, which sets a time.
describe.runIf(canMount)('inputs in memory', () => {
  test('an input that was changed through a mapping without a trace is given to nobody else', async () => {
    const place = tmpfs(64 * 1024 * 1024)
    onTestFinished(() => place.remove())
    expect(await spoil('mapped and over', 'auto', undefined, place.path)).toMatchObject({
      spoiler: { exitCode: 0, stderr: '' },
      later: 'intact',
    })
  })
})
