import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ClusterStatus } from '../../../src/cluster/status.ts'
import { createKindNative, dockerHasOf, type KindNative } from '../../fixture/kind.ts'
import { kindParts } from '../../fixture/kind-parts.ts'

// What keeps a kind cluster from coming up: one clear error with the next step, and nothing is
// left. What can go wrong with one that is there is in contract.test.ts.

const name = 'kc-faults'
const parts = await kindParts()

describe.skipIf(!parts)('a kind cluster that cannot be made', () => {
  let native: KindNative

  const up = ['up', '--driver', 'kind', '--name', name]
  const deploy = ['deploy', '--driver', 'kind', '--name', name]
  const down = ['down', '--driver', 'kind', '--name', name]
  const status = async (): Promise<ClusterStatus> =>
    JSON.parse((await native.ok('status', '--driver', 'kind', '--name', name, '--json')).stdout)

  beforeAll(async () => {
    if (parts) native = await createKindNative(parts, name, 'built')
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
})
