import { expect, test } from 'vitest'
import { loadArchives } from '../../../../src/cluster/kind/nodes/load-archives.ts'
import { type Answer, kindWorld, nodesText } from '../world.ts'

const archive = { file: '/etc/hostname', names: ['docker.io/library/a:1', 'docker.io/library/b:1'] }
const nodes: Answer = {
  call: 'docker ps',
  prints: nodesText(['c1', 'n-control-plane', 'running'], ['c2', 'n-worker', 'running']),
}
const list = (node: string) => `docker exec ${node} ctr --namespace=k8s.io images ls` as const
const load = (node: string) => `docker exec -i ${node} ctr --namespace=k8s.io images import` as const

test('an archive goes into the nodes that lack one of its images, and into no other', async () => {
  const world = await kindWorld(() => [
    nodes,
    { call: list('n-control-plane'), prints: archive.names.join('\n') },
    { call: list('n-worker'), prints: 'docker.io/library/a:1' },
    { call: load('n-worker') },
  ])
  await world.remember({ archives: [archive] })
  expect(await loadArchives(world.context, world.report)).toEqual({ loaded: 1, held: 1 })
})

test('nothing is asked of nodes where there are no archives for them', async () => {
  const world = await kindWorld(() => [])
  // What the docker daemon runs itself is of no use inside of a node.
  await world.remember({
    nodeImage: 'kindest/node:v1',
    archives: [{ file: '/n.tar', names: ['docker.io/kindest/node:v1'] }],
  })
  expect(await loadArchives(world.context, world.report)).toEqual({ loaded: 0, held: 0 })
  expect(await world.calls()).toEqual([])
})

test('what a node does not take is tried twice, and told with the archive', async () => {
  const world = await kindWorld(() => [
    { call: 'docker version', prints: '27.0' },
    { ...nodes, prints: nodesText(['c1', 'n-control-plane', 'running']) },
    { call: list('n-control-plane') },
    { call: load('n-control-plane'), fails: { exitCode: 1, stderr: 'content digest not found' } },
  ])
  await world.remember({ archives: [archive] })
  await expect(loadArchives(world.context, world.report)).rejects.toMatchObject({
    kind: 'program',
    where: archive.file,
    output: expect.stringContaining('content digest not found'),
  })
  expect((await world.calls()).filter((line) => line.includes('images import'))).toHaveLength(2)
})
