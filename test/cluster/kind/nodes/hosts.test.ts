import { expect, test } from 'vitest'
import { hostsStep } from '../../../../src/cluster/kind/nodes/hosts.ts'
import { kindWorld, nodesText } from '../world.ts'

test('every node is told where the registry and each mirror is, in files that containerd reads at each pull', async () => {
  const world = await kindWorld(() => [
    { call: 'docker ps', prints: nodesText(['c1', 'n-control-plane', 'running'], ['c2', 'n-worker', 'running']) },
    { call: 'docker exec' },
  ])
  await world.remember({ mirrors: ['docker.io=https://mirror.example.com'] })
  await hostsStep(world.context).run(world.report)
  const calls = await world.calls()
  for (const node of ['n-control-plane', 'n-worker']) {
    const folder = '/etc/containerd/certs.d'
    expect(calls).toContain(`docker exec ${node} mkdir -p ${folder}/docker.io ${folder}/native-registry:5000 `)
    const written = calls.filter((line) => line.startsWith(`docker exec -i ${node} cp /dev/stdin ${folder}/`))
    expect(written).toEqual([
      expect.stringContaining('docker.io/hosts.toml < [host."https://mirror.example.com"]'),
      expect.stringContaining('native-registry:5000/hosts.toml < [host."http://native-registry:5000"]'),
    ])
  }
  expect(world.report.said).toEqual(['docker.io, native-registry:5000'])
})
