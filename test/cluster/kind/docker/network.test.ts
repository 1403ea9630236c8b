import { describe, expect, test } from 'vitest'
import { ensureNetwork, readNetwork, removeNetwork } from '../../../../src/cluster/kind/docker/network.ts'
import { kindWorld, networkText } from '../world.ts'

const { signal } = new AbortController()
const world = (ours: boolean | undefined) =>
  kindWorld((paths) => [
    { call: 'docker network ls', ...(ours !== undefined && { prints: 'net1' }) },
    { call: 'docker network inspect net1', prints: networkText(paths, ours ?? false) },
    { call: 'docker network create' },
    { call: 'docker network rm' },
  ])

describe('the docker network', () => {
  test('is made with labels that name the cluster and its state folder', async () => {
    const { context, calls } = await world(undefined)
    expect(await ensureNetwork(context, signal)).toBe(true)
    const labels = `--label native.cluster=n --label native.state=${context.paths.state}`
    expect(await calls()).toContain(`docker network create --driver bridge ${labels} native-n `)
  })

  test('is used as it is when it is ours, and what is taken in it is known', async () => {
    const { context, calls } = await world(true)
    expect(await ensureNetwork(context, signal)).toBe(false)
    expect(await readNetwork(context)).toMatchObject({ subnet: '172.20.0.0/16', taken: ['172.20.0.1'], ours: true })
    expect((await calls()).some((line) => line.includes('create'))).toBe(false)
    expect(await removeNetwork(context)).toBe(true)
    expect((await calls()).at(-1)).toBe('docker network rm net1 ')
  })

  test('of another is neither used nor removed', async () => {
    const { context, calls } = await world(false)
    await expect(ensureNetwork(context, signal)).rejects.toMatchObject({ kind: 'exists', where: 'native-n' })
    expect(await removeNetwork(context)).toBe(false)
    expect((await calls()).some((line) => /create|rm/.test(line))).toBe(false)
  })
})
