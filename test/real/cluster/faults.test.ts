import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ClusterStatus } from '../../../src/cluster/driver.ts'
import { eventually } from '../../fixture/eventually.ts'
import { createKindNative, dockerHasOf, type KindNative } from '../../fixture/kind.ts'
import { kindParts } from '../../fixture/kind-parts.ts'

// What can go wrong with a kind cluster: one clear error with the next step, nothing lost, and
// the next call mends it. The tests from the killed `up` on build on each other.

const name = 'kc-faults'
const parts = await kindParts()

describe.skipIf(!parts)('a kind cluster in trouble', () => {
  let native: KindNative

  const up = ['up', '--driver', 'kind', '--name', name]
  const deploy = ['deploy', '--driver', 'kind', '--name', name]
  const down = ['down', '--driver', 'kind', '--name', name]
  const status = async (): Promise<ClusterStatus> =>
    JSON.parse((await native.ok('status', '--driver', 'kind', '--name', name, '--json')).stdout)

  beforeAll(async () => {
    if (parts) native = await createKindNative(parts, name)
  })
  afterAll(() => native?.dispose())

  test('without docker it says what to do, and leaves nothing', async () => {
    const { run } = await native.with({ env: { DOCKER_HOST: `unix://${join(native.home, 'nobody')}` } })
    const ran = await run(...up)
    expect(ran.exitCode).not.toBe(0)
    expect(ran.stderr).toMatch(/docker/)
    expect(ran.stderr).toMatch(/start docker/i)
    expect(await status()).toMatchObject({ state: 'absent' })
  })

  test('a cluster of the same name that is not ours is left alone', async () => {
    // kind knows its clusters by this label.
    const label = `io.x-k8s.kind.cluster=${name}`
    const id = await native.docker(
      'create',
      '--label',
      label,
      '--name',
      `${name}-control-plane`,
      parts?.nodeImage ?? '',
    )
    try {
      for (const command of [up, deploy]) {
        const ran = await native.run(...command)
        expect(ran.exitCode).not.toBe(0)
        expect(ran.stderr).toContain(`"${name}"`)
        expect(ran.stderr).toMatch(/did not make/)
      }
      await native.run(...down)
      expect(await native.docker('ps', '--all', '--quiet', '--no-trunc', '--filter', `label=${label}`)).toBe(id)
    } finally {
      await native.docker('rm', id)
    }
    expect(await dockerHasOf(native, name)).toEqual([])
  })

  test('an image of nodes that cannot be had is named, and nothing is left', async () => {
    const other = await native.with({ settings: { node_image: 'registry.invalid/kindest/node:v1' } })
    const ran = await other.run(...up)
    expect(ran.exitCode).not.toBe(0)
    expect(ran.stderr).toContain('registry.invalid/kindest/node:v1')
    expect(await status()).toMatchObject({ state: 'absent' })
    expect(await dockerHasOf(native, name)).toEqual([])
  })

  test('a killed up is told by status, and mended by the next one', async () => {
    const killed = native.start(...up)
    const nodes = async () => (await dockerHasOf(native, name)).filter((line) => line.startsWith('container '))
    await eventually(nodes, (lines) => lines.some((line) => line.endsWith('-control-plane')))
    await killed.kill()
    const { state, problems } = await status()
    expect(state).toBe('failed')
    expect(problems.join()).toContain('up')
    await native.ok(...up)
    expect(await status()).toMatchObject({ state: 'up', problems: [] })
  })

  test('an image of servers that cannot be pulled is told at once, with the reason, and what ran goes on', async () => {
    await native.ok(...deploy, '--workers', '1', '--slots', '1')
    const before = await status()
    const images = { server: 'registry.invalid/native:1', worker: 'registry.invalid/native:1' }
    const ran = await (await native.with({ settings: { images } })).run(...deploy)
    expect(ran.exitCode).not.toBe(0)
    expect(ran.stderr).toContain('registry.invalid/native:1')
    expect(ran.stderr).toMatch(/pull|resolve|lookup/)
    const after = await eventually(status, (each) => each.state === 'deployed')
    expect(after.servers.map((each) => each.name)).toEqual(before.servers.map((each) => each.name))
    expect(after.addresses).toEqual(before.addresses)
  })

  test('after a reboot up starts it again, with the same addresses', async () => {
    const { addresses } = await status()
    const ids = (await dockerHasOf(native, name)).filter((line) => line.startsWith('container '))
    await native.docker('stop', ...ids.map((line) => line.split(' ')[1] ?? ''))
    const stopped = await status()
    expect(stopped.state).toBe('failed')
    expect(stopped.problems.join()).toContain('up')
    await native.ok(...up)
    const again = await eventually(status, (each) => each.state === 'deployed', 180_000)
    expect(again.addresses).toEqual(addresses)
    await native.ok('exec', '--driver', 'kind', '--name', name, '--', 'true')
  })

  test('a half-done down is gone on with', async () => {
    const killed = native.start(...down)
    const running = () => native.docker('ps', '--quiet', '--filter', `name=${name}-control-plane`)
    await eventually(running, (text) => text === '')
    await killed.kill()
    await native.ok(...down)
    expect(await status()).toMatchObject({ state: 'absent' })
    expect(await dockerHasOf(native, name)).toEqual([])
    await native.ok(...down)
  })
})
