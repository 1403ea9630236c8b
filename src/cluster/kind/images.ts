import { execa } from 'execa'
import { Failure } from '../../core/failure.ts'
import type { StepReport } from '../driver.ts'
import type { ImageArchive, KindContext } from './context.ts'
import { nodesOf } from './nodes.ts'
import { docker } from './programs.ts'

const loadMsMax = 10 * 60_000
const ctr = ['ctr', '--namespace=k8s.io', 'images'] as const

/** Gives every node the images of the archives; a node that has them is left alone. */
export async function loadArchives(context: KindContext, report: StepReport): Promise<void> {
  const nodes = await nodesOf(context, report.signal)
  for (const { name } of nodes) {
    const there = new Set((await docker(context, ['exec', name, ...ctr, 'ls', '--quiet'])).split('\n'))
    for (const archive of context.settings.archives)
      if (!archive.names.every((each) => there.has(each))) await load(context, name, archive, report)
  }
}

/** Streams an archive into a node's containerd, as kind does. */
async function load(context: KindContext, node: string, archive: ImageArchive, report: StepReport): Promise<void> {
  report.say(`${archive.names.join(', ')} to ${node}`)
  const args = ['exec', '-i', node, ...ctr, 'import', '--digests', '--snapshotter=overlayfs', '-']
  const result = await execa('docker', args, {
    env: { ...context.surroundings.env },
    extendEnv: false,
    inputFile: archive.file,
    cancelSignal: report.signal,
    timeout: loadMsMax,
    reject: false,
    all: true,
  })
  if (!result.failed) return
  report.signal.throwIfAborted()
  throw new Failure('program', `node ${node} does not take the images of an archive`, {
    where: archive.file,
    output: (result.all ?? '').slice(-4000),
    cause: result.cause,
  })
}
