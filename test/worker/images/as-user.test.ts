import { chmodSync, chownSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { describe, expect, test } from 'vitest'
import { canBeAnother } from '../../fixture/second-account.ts'

const ordinary = 65_534

describe.runIf(canBeAnother).each([0, ordinary])('for the user %i', (uid) => {
  test('an action has an image for its root, and the next one nothing of the first', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'nt-'))
    try {
      chownSync(folder, uid, uid)
      chmodSync(folder, 0o755)
      const become = [`--reuid=${uid}`, `--regid=${uid}`, '--clear-groups']
      const program = [process.execPath, '--no-warnings', join(import.meta.dirname, 'as-user.ts'), folder]
      const { stdout } = await execa('setpriv', [...become, ...program], { cwd: '/' })
      const { first, second } = JSON.parse(stdout)
      expect(first).toBe('/bin/cat /bin/sh\nprivate\nheld\n')
      expect(second).toMatch(/^\/tmp\/\* \/dev\/shm\/\*\n/)
      // Of the worker's folders nothing is mounted but what the action is to see.
      expect(second).toMatch(/ \/bin ro,/)
      expect(second).not.toContain(' /.old')
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }, 60_000)
})
