import { existsSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { upSteps } from '../../../src/cluster/kind/up.ts'
import { ran } from '../../fixture/steps.ts'
import { kindWorld, networkText } from './world.ts'

const info = JSON.stringify({ ServerVersion: '27.0', NCPU: 8, MemTotal: 32e9, OSType: 'linux', CgroupVersion: '2' })
const client = JSON.stringify({ clientVersion: { gitVersion: 'v1.34.4' } })

/** Docker, kind and kubectl are there, and nothing of the cluster is; then docker cannot make a registry. */
const worldWithoutRegistry = () =>
  kindWorld((paths) => [
    { call: 'docker info', prints: info },
    { call: 'docker version', prints: '27.0' },
    { call: 'kind version', prints: '0.33.0' },
    { call: 'kubectl version', prints: client },
    { call: 'docker ps' },
    { call: 'docker network ls', does: '[ ! -e $WORLD/network ] || echo net1' },
    { call: 'docker network inspect', prints: networkText(paths, true) },
    { call: 'docker network create', does: 'touch $WORLD/network' },
    { call: 'docker network rm', does: 'rm $WORLD/network' },
    { call: 'docker image inspect', prints: 'sha256:1' },
    { call: 'docker volume create' },
    { call: 'docker volume ls' },
    { call: 'docker run', fails: { exitCode: 125, stderr: 'no space left on device' } },
  ])

describe('up', () => {
  test('takes back what it made when a step fails, last first, and leaves nothing', async () => {
    const world = await worldWithoutRegistry()
    await expect(ran(upSteps(world.context, { retain: false, gateway: 'envoy' }))).rejects.toMatchObject({
      kind: 'program',
      output: expect.stringContaining('no space left on device'),
    })
    expect((await world.calls()).filter((line) => /network (create|rm)/.test(line))).toEqual([
      expect.stringContaining('docker network create'),
      'docker network rm net1 ',
    ])
    expect(existsSync(world.context.paths.state)).toBe(false)
    expect(existsSync(world.context.paths.lock)).toBe(false)
  })

  test('leaves what it made with --retain, and gives the lock back', async () => {
    const world = await worldWithoutRegistry()
    const steps = upSteps(world.context, { retain: true, gateway: 'envoy' })
    await expect(ran(steps, { retain: true })).rejects.toMatchObject({ kind: 'program' })
    expect((await world.calls()).some((line) => line.includes('network rm'))).toBe(false)
    expect(existsSync(world.context.paths.cluster)).toBe(true)
    expect(existsSync(world.context.paths.lock)).toBe(false)
  })

  test.each([
    ['a kind that is too old', { call: 'kind version', prints: '0.20.0' }, 'kind 0.20.0 is too old'],
    ['a docker that is not there', { call: 'docker info', fails: { exitCode: 1, stderr: 'no' } }, 'docker info'],
  ] as const)('changes nothing with %s', async (_, answer, message) => {
    const world = await kindWorld(() => [
      answer,
      { call: 'docker info', prints: info },
      { call: 'docker version', prints: '27.0' },
      { call: 'kind version', prints: '0.33.0' },
      { call: 'kubectl version', prints: client },
    ])
    await expect(ran(upSteps(world.context, { retain: false, gateway: 'envoy' }))).rejects.toThrow(message)
    expect(existsSync(world.context.paths.cluster)).toBe(false)
  })
})
