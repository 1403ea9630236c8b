import { chmodSync, chownSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { beforeAll, describe, expect, test } from 'vitest'
import { canBeAnother } from '../../fixture/second-account.ts'
import { attempts } from './attempts.ts'

const nowhere = {
  secret: '',
  other: '',
  state: '',
  shared: '',
  worker: 0,
  port: 0,
  abstract: '',
  socket: '',
  terminal: '',
}
const accounts = [
  { account: 'root', uid: 0 },
  { account: 'an ordinary user', uid: 65_534 },
] as const

// Root makes the network that stands for a machine's, and becomes the other.
describe.runIf(canBeAnother).for(accounts)('an action of $account', ({ uid }) => {
  let results: Record<string, { with: string; without: string }> = {}

  beforeAll(async () => {
    const folder = await mkdtemp(join(tmpdir(), 'nt-'))
    try {
      chownSync(folder, uid, uid)
      chmodSync(folder, 0o755)
      const become = uid === 0 ? [] : ['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups']
      const network = 'ip link set lo up && ip address add 169.254.169.254/32 dev lo && exec "$@"'
      const program = [process.execPath, '--no-warnings', join(import.meta.dirname, 'trying.ts'), folder]
      const { stdout } = await execa('unshare', ['--net', 'sh', '-c', network, 'sh', ...become, ...program], {
        cwd: '/',
      })
      results = JSON.parse(stdout)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }, 60_000)

  test.for(attempts(nowhere))('$title without a sandbox, and not in one', ({ title, rootOnly }) => {
    const result = results[title]
    if (uid === 0 || !rootOnly) expect(result?.without).toContain('ESCAPED')
    expect(result?.with).not.toContain('ESCAPED')
    expect(result?.with).toContain('BEGUN')
  })
})
