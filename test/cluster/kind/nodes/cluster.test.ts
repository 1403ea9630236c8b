import { readFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { clusterStep, deleteCluster } from '../../../../src/cluster/kind/nodes/cluster.ts'
import { readKindMemory } from '../../../../src/cluster/kind/state.ts'
import { type Answer, kindWorld, networkText, nodesText } from '../world.ts'

const running = nodesText(['c1', 'n-control-plane', 'running'])
const stopped = nodesText(['c1', 'n-control-plane', 'exited'])

/** Nodes are there once kind was told to make them, and until it was told to delete them. */
const nodesAsMade: readonly Answer[] = [
  { call: 'kind create cluster', does: 'touch $WORLD/made' },
  { call: 'kind delete cluster', does: 'rm -f $WORLD/made' },
  { call: 'docker ps --all', does: `[ ! -e $WORLD/made ] || echo '${running}'` },
]
const ready: readonly Answer[] = [
  { call: 'docker exec n-control-plane sh -c until kubectl' },
  { call: 'kubectl --kubeconfig' },
]

describe('the nodes', () => {
  test('are made by kind, from our configuration and into our own kubeconfig', async () => {
    const world = await kindWorld(() => nodesAsMade)
    const { context } = world
    await world.remember({ container: null, nodes: 2, profile: 'cilium' })
    await clusterStep(context, false).run(world.report)
    const config = parse(await readFile(context.paths.config, 'utf8'))
    expect(config).toMatchObject({ name: 'n', networking: { disableDefaultCNI: true } })
    expect(config.nodes).toHaveLength(2)
    const { paths } = context
    // With cilium no node is ready before it runs: that is not waited for.
    expect(await world.calls()).toContain(
      `kind create cluster --config ${paths.config} --kubeconfig ${paths.kubeconfig} --wait 0s `,
    )
    expect((await readKindMemory(paths))?.container).toBe('c1')
  })

  test('that were made are deleted when a later step fails, and stay when they were there', async () => {
    const made = await kindWorld(() => nodesAsMade)
    await made.remember({ container: null })
    const step = clusterStep(made.context, true)
    await step.run(made.report)
    expect((await made.calls()).find((line) => line.startsWith('kind create'))).toContain('--wait 300s --retain')
    expect(step.undoes?.()).toBe(true)
    await step.undo?.()
    expect((await made.calls()).filter((line) => line.startsWith('kind delete'))).toHaveLength(1)

    const there = await kindWorld(() => [{ call: 'docker ps --all', prints: running }, ...ready])
    await there.remember()
    const again = clusterStep(there.context, false)
    await again.run(there.report)
    expect(there.report.said).toEqual(['already running'])
    expect(again.undoes?.()).toBe(false)
  })

  test('of an up that was killed are deleted before they are made anew', async () => {
    const world = await kindWorld(() => nodesAsMade)
    await world.remember({ container: null })
    await clusterStep(world.context, false).run(world.report)
    await world.remember({ container: null })
    await clusterStep(world.context, false).run(world.report)
    const kinds = (await world.calls()).filter((line) => line.startsWith('kind '))
    expect(kinds.map((line) => line.split(' ')[1])).toEqual(['create', 'delete', 'create'])
  })

  test('are started again when they were stopped, and controllers are waited for anew', async () => {
    const world = await kindWorld(() => [
      { call: 'docker ps --all', prints: stopped },
      { call: 'docker start c1' },
      ...ready,
    ])
    await world.remember({ controllers: 'print' })
    await clusterStep(world.context, false).run(world.report)
    expect(await world.calls()).toContain('docker start c1 ')
    expect((await readKindMemory(world.context.paths))?.controllers).toBeNull()
  })

  test.each([
    ['of somebody else', { container: 'another' }, 'exists'],
    ['of which some were removed', { nodes: 3 }, 'precondition'],
  ] as const)('%s are an error, and are left alone', async (_, memory, kind) => {
    const world = await kindWorld(() => [{ call: 'docker ps --all', prints: running }])
    await world.remember(memory)
    await expect(clusterStep(world.context, false).run(world.report)).rejects.toMatchObject({ kind })
    expect((await world.calls()).every((line) => line.startsWith('docker ps'))).toBe(true)
  })

  test('that another program makes again and again are not deleted for ever', async () => {
    const world = await kindWorld(() => [{ call: 'docker ps --all', prints: running }, { call: 'kind delete cluster' }])
    await expect(deleteCluster(world.context)).rejects.toMatchObject({ kind: 'program' })
    expect((await world.calls()).filter((line) => line.startsWith('kind delete'))).toHaveLength(3)
  })

  test('that may be published have ports of 127.0.0.1 in the configuration', async () => {
    const world = await kindWorld((paths) => [
      ...nodesAsMade,
      { call: 'docker network ls', prints: 'net1' },
      { call: 'docker network inspect', prints: networkText(paths, true) },
    ])
    await world.remember({ container: null, publish: true })
    await clusterStep(world.context, false).run(world.report)
    const { nodes } = parse(await readFile(world.context.paths.config, 'utf8'))
    const published = (await readKindMemory(world.context.paths))?.published
    expect(nodes[0].extraPortMappings).toMatchObject([
      { hostPort: published?.cache, listenAddress: '127.0.0.1' },
      { hostPort: published?.scheduler, listenAddress: '127.0.0.1' },
    ])
  })
})
