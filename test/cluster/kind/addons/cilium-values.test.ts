import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ciliumValues } from '../../../../src/cluster/kind/addons/cilium-values.ts'
import { root } from '../../../fixture/program.ts'

const file = join(root, 'templates/kubernetes/cilium-values.yaml')
const text = await readFile(file, 'utf8')

describe("cilium's values", () => {
  it('name the node of the API server, which no Service leads to before cilium runs', () => {
    expect(ciliumValues(text, file, { cluster: 'n', byName: false })).toMatchObject({
      kubeProxyReplacement: true,
      k8sServiceHost: 'n-control-plane',
      k8sServicePort: 6443,
    })
  })

  it('bring Gateways that speak HTTP/2 to servers, and streams that may be silent for a day', () => {
    expect(ciliumValues(text, file, { cluster: 'n', byName: false })).toMatchObject({
      gatewayAPI: { enabled: true, enableAppProtocol: true },
      l2announcements: { enabled: true },
      envoy: { streamIdleTimeoutDurationSeconds: 86_400, clusterMaxRequests: 65_536 },
      extraConfig: { 'proxy-stream-idle-timeout-seconds': '86400' },
    })
  })

  it('take images of archives by their names, and keep all else', () => {
    const named = ciliumValues(text, file, { cluster: 'n', byName: true })
    expect(named).toMatchObject({
      image: { pullPolicy: 'IfNotPresent', useDigest: false },
      operator: { replicas: 1, image: { useDigest: false } },
      envoy: { clusterMaxRequests: 65_536, image: { useDigest: false } },
    })
    expect(JSON.stringify(ciliumValues(text, file, { cluster: 'n', byName: false }))).not.toContain('useDigest')
  })

  it('are refused where the template is none, at its line', () => {
    expect(() => ciliumValues('kubeProxyReplacement: false\n', 'v.yaml', { cluster: 'n', byName: false })).toThrow(
      expect.objectContaining({ kind: 'invalid', where: expect.stringContaining('v.yaml:') }),
    )
  })
})
