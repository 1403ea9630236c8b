import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Code } from '../../src/wire/rpc.ts'
import { createNative, type Native } from '../fixture/program.ts'
import { asAnother, canBeAnother } from '../fixture/second-account.ts'

interface Status {
  readonly servers: readonly { name: string; address: string | null; metrics: string; id: string }[]
}

let native: Native
/** Of cache, scheduler, and the cache's metrics. */
let addresses: string[]
let status: Status

async function deploy(...flags: string[]): Promise<void> {
  status = JSON.parse((await native.ok('deploy', '--json', ...flags)).stdout) as Status
  const of = (name: string) => status.servers.find((server) => server.name === name)
  addresses = [of('cas')?.address ?? '', of('scheduler')?.address ?? '', of('cas')?.metrics ?? '']
}

beforeAll(async () => {
  native = await createNative()
})
afterAll(() => native.dispose())

describe.runIf(canBeAnother)('another account of this machine (M1)', () => {
  test('gets nothing of a cluster of root’s, which is private unless it is asked otherwise', async () => {
    await deploy()
    expect(await asAnother('stranger.ts', ...addresses)).toEqual({
      uid: 65534,
      capabilities: Code.PERMISSION_DENIED,
      update: Code.PERMISSION_DENIED,
      execute: Code.PERMISSION_DENIED,
      operations: Code.PERMISSION_DENIED,
      work: Code.PERMISSION_DENIED,
      metrics: 403,
    })
    expect((await native.ok('exec', '--', '/bin/echo', 'mine')).stdout).toBe('mine')
    expect((await native.ok('up')).stderr).toMatch(/Access.*this user, and root/)
    expect((await native.run('doctor')).stdout).toMatch(/other accounts +not admitted/)
  })

  test('is a client of one that is not, and never a worker; a cache may refuse its results, and takes ours', async () => {
    const file = join(native.home, 'deployment.yaml')
    await writeFile(file, 'cas: { action_cache: { update: false } }\n')
    await deploy('--no-private', '--config', file)
    expect(await asAnother('stranger.ts', ...addresses)).toEqual({
      uid: 65534,
      capabilities: 0,
      update: Code.PERMISSION_DENIED,
      // The Action that it names is not there.
      execute: Code.FAILED_PRECONDITION,
      operations: 0,
      work: Code.UNAUTHENTICATED,
      metrics: 200,
    })
    await native.ok('exec', '--', '/bin/echo', 'once')
    expect((await native.ok('exec', '--', '/bin/echo', 'once')).stderr).toContain('cached')
  })
})

describe('the secret of a cluster’s servers', () => {
  let secret: string
  const state = (...names: string[]) => join(native.home, 'state/native/native', ...names)

  beforeAll(async () => {
    await deploy()
    secret = (await readFile(state('secret'), 'utf8')).trim()
  })

  test('is random, in a file of its user’s alone, and stays with the cluster', async () => {
    expect(secret).toMatch(/^[\w-]{43}$/)
    expect((await stat(state('secret'))).mode & 0o777).toBe(0o600)
    await native.ok('deploy', '--slots', '3')
    expect((await readFile(state('secret'), 'utf8')).trim()).toBe(secret)
  })

  test('is found in nothing that others see, nor in what the cluster writes', async () => {
    const written = ['cluster.json', 'servers.json', 'supervisor.json'].map((name) => state(name))
    for (const folder of ['config', 'logs'])
      written.push(...(await readdir(state(folder))).map((name) => state(folder, name)))
    const processes = JSON.parse((await native.ok('status', '--json')).stdout) as Status
    const seen = processes.servers.flatMap(({ id }) => [`/proc/${id}/cmdline`, `/proc/${id}/environ`])
    for (const file of [...written, ...(process.platform === 'linux' ? seen : [])])
      expect(await readFile(file, 'latin1'), file).not.toContain(secret)
  })

  test('is not in what an action starts with: environment, arguments, descriptors', async () => {
    const script = 'env; tr "\\0" " " < /proc/$$/cmdline; for f in /proc/$$/fd/*; do readlink "$f"; done; set'
    const { stdout } = await native.ok('exec', '--fresh', '--', '/bin/sh', '-c', script)
    expect(stdout).not.toContain(secret)
    expect(stdout).not.toContain(state('secret'))
  })
})
