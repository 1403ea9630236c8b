import { existsSync } from 'node:fs'
import { expect, test } from 'vitest'
import { downSteps } from '../../../src/cluster/kind/down.ts'
import type { KindPaths } from '../../../src/cluster/kind/paths.ts'
import { ran } from '../../fixture/steps.ts'
import { type Answer, kindWorld, networkText, nodesText } from './world.ts'

/** A node that is there until kind deletes it; a network with our labels or another's, and no registry. */
function cluster(paths: KindPaths, networkIsOurs: boolean): readonly Answer[] {
  const node = nodesText(['c1', 'n-control-plane', 'running'])
  return [
    { call: 'docker ps --all --no-trunc --filter label=', does: `[ -e $WORLD/gone ] || echo '${node}'` },
    { call: 'docker ps --all --quiet --no-trunc --filter network=', prints: 'c1' },
    { call: 'docker ps --all --quiet' },
    { call: 'kind delete cluster', does: 'touch $WORLD/gone' },
    { call: 'docker volume ls' },
    { call: 'docker network ls', prints: 'net1' },
    { call: 'docker network inspect', prints: networkText(paths, networkIsOurs) },
    { call: 'docker network rm' },
  ]
}

const changes = (calls: readonly string[]) =>
  calls.filter((line) => /^(kind delete|docker (rm|network rm|volume rm)|kubectl)/.test(line))

test('nodes, network and state go, what is remembered last', async () => {
  const world = await kindWorld((paths) => cluster(paths, true))
  await world.remember()
  const lines = await ran(downSteps(world.context))
  expect(changes(await world.calls())).toEqual([
    expect.stringContaining('kind delete cluster --name n'),
    'docker network rm net1 ',
  ])
  expect(lines.join('\n')).toContain('Kind cluster: 1 node removed')
  expect(existsSync(world.context.paths.state)).toBe(false)
})

test('a cluster whose state is lost is known by the labels of its network', async () => {
  const world = await kindWorld((paths) => cluster(paths, true))
  await ran(downSteps(world.context))
  expect(changes(await world.calls())[0]).toContain('kind delete cluster')
})

test('a cluster of somebody else stays, with its network', async () => {
  const world = await kindWorld((paths) => cluster(paths, false))
  const lines = await ran(downSteps(world.context))
  expect(changes(await world.calls())).toEqual([])
  expect(lines.join('\n')).toContain('there is one that native did not write; it stays')
})

test('what fails leaves the state, by which the next down finds the rest', async () => {
  const world = await kindWorld((paths) => [
    { call: 'docker version', prints: '27.0' },
    { call: 'docker network rm', fails: { exitCode: 1, stderr: 'network has active endpoints' } },
    ...cluster(paths, true),
  ])
  await world.remember()
  await expect(ran(downSteps(world.context))).rejects.toMatchObject({
    kind: 'program',
    next: [expect.stringContaining('docker network disconnect')],
  })
  expect(existsSync(world.context.paths.cluster)).toBe(true)
})
