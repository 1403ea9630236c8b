import { join } from 'node:path'
import { execa } from 'execa'
import type { KindNative } from '../../fixture/kind.ts'
import type { Figure } from '../rows/row.ts'

const title = (round: number) => (round === 0 ? 'first time' : 'again, all layers there')

/**
 * Our server image into a node, by us through the cluster's registry and by kind from an archive, twice each. Ours ends
 * when the node has pulled what it lacked, as kind's does.
 */
export async function loadings(
  native: KindNative,
  name: string,
  layout: string,
  note: (who: 'native' | 'kind', figures: readonly Figure[]) => void,
): Promise<void> {
  const node = `${name}-control-plane`
  const archive = join(native.home, 'bench.tar')
  await native.ok('image', 'copy', `oci:${layout}`, `docker-archive:${archive}:docker.io/bench/kind:1`)
  for (const round of [0, 1]) {
    const began = performance.now()
    const { stdout } = await native.ok('image', 'copy', `oci:${layout}`, `kind:${name}/bench/native:1`, '--json')
    const { podsImage } = JSON.parse(stdout) as { podsImage: string }
    const pull = ['ctr', '--namespace=k8s.io', 'images', 'pull', '--hosts-dir', '/etc/containerd/certs.d', podsImage]
    await native.docker('exec', node, ...pull)
    note('native', [figure(title(round), performance.now() - began)])
  }
  for (const round of [0, 1]) {
    const began = performance.now()
    await execa('kind', ['load', 'image-archive', archive, '--name', name], { env: native.env, extendEnv: false })
    // Its first time is none: the node has the layers from us.
    if (round > 0) note('kind', [figure(title(round), performance.now() - began)])
  }
}

function figure(what: string, ms: number): Figure {
  return { section: 'Images into a node', title: what, unit: 'ms', value: ms }
}
