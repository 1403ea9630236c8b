import { envoyObjects } from './envoy.ts'
import { type KubeObject, objectOf, partOf } from './object.ts'
import type { AddressPool } from './pool.ts'
import type { ManifestRequest } from './request.ts'

/**
 * The objects for this profile's controllers only. cilium gets its settings for long streams from its own configuration
 * (templates/kubernetes/cilium-values.yaml), so it needs none here.
 */
export function profileObjects(request: ManifestRequest): KubeObject[] {
  if (request.profile === 'cilium') return []
  return envoyObjects(request)
}

/** The addresses for Gateways, and what announces them on the docker network. */
export function poolObjects({ profile }: Pick<ManifestRequest, 'profile'>, pool: AddressPool): KubeObject[] {
  const name = 'native'
  if (profile === 'cilium')
    return [
      objectOf(
        'cilium.io/v2',
        'CiliumLoadBalancerIPPool',
        { name, labels: partOf },
        {
          spec: { blocks: [{ cidr: pool.cidr }] },
        },
      ),
      objectOf(
        'cilium.io/v2alpha1',
        'CiliumL2AnnouncementPolicy',
        { name, labels: partOf },
        {
          // No node is excluded: on a cluster of one node that is the control plane.
          spec: { loadBalancerIPs: true, interfaces: ['^eth0$'] },
        },
      ),
    ]
  const metadata = { name, namespace: 'metallb-system', labels: partOf }
  return [
    // Two addresses are ours; a Service that asks for any must not get one of them first.
    objectOf('metallb.io/v1beta1', 'IPAddressPool', metadata, { spec: { addresses: [pool.cidr], autoAssign: true } }),
    objectOf('metallb.io/v1beta1', 'L2Advertisement', metadata, { spec: { ipAddressPools: [name] } }),
  ]
}
