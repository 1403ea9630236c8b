import { describe, expect, test } from 'vitest'
import { installChart } from '../../../../src/cluster/kind/addons/helm.ts'
import { kindWorld } from '../world.ts'

const release = { name: 'cilium', namespace: 'kube-system' }
const listed = (revision: string, status: string) => JSON.stringify([{ name: 'cilium', revision, status }])

/** Installs over what `helm list` prints; answers what ran before, and what helm was told to do. */
async function installed(list: string) {
  const { context, calls } = await kindWorld(() => [
    { call: 'helm list', prints: list },
    { call: 'helm upgrade' },
    { call: 'helm rollback' },
    { call: 'helm uninstall' },
  ])
  const before = await installChart(context, release, '/chart.tgz', '/values.yaml', {})
  const place = ` --kubeconfig ${context.paths.kubeconfig} --kube-context kind-n `
  const told = (await calls()).slice(1)
  for (const line of told) expect(line.endsWith(place), line).toBe(true)
  return { before, told: told.map((line) => line.slice('helm '.length, -place.length)) }
}

const upgrade = 'upgrade --install cilium /chart.tgz --namespace kube-system --values /values.yaml'

describe('a chart', () => {
  test.each([
    ['that is not there is installed', '[]', undefined, [upgrade]],
    ['that runs is brought to these values', listed('3', 'deployed'), 3, [upgrade]],
    [
      'whose upgrade was killed goes back to what ran before',
      listed('3', 'pending-upgrade'),
      2,
      ['rollback cilium 2 --namespace kube-system', upgrade],
    ],
    [
      'whose first installation was killed is taken on from there',
      listed('1', 'pending-install'),
      undefined,
      ['rollback cilium 1 --namespace kube-system', upgrade],
    ],
    [
      'that was being removed is removed first',
      listed('2', 'uninstalling'),
      undefined,
      ['uninstall cilium --wait --namespace kube-system', upgrade],
    ],
  ])('%s', async (_, list, before, told) => {
    expect(await installed(list)).toEqual({ before, told })
  })
})
