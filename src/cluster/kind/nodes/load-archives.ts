import { Failure } from '../../../core/failure.ts'
import type { Step, StepReport } from '../../driver.ts'
import type { KindContext } from '../context.ts'
import { docker } from '../docker/programs.ts'
import { archivesWithNames, fullImageName, type NamedArchive } from '../images/archives.ts'
import { readKindMemory } from '../state.ts'
import { type Node, nodesOf } from './nodes.ts'

const loadMsMax = 20 * 60_000
const ctr = ['ctr', '--namespace=k8s.io', 'images'] as const

/** Loads the archives' images into every node, before anything there needs them. */
export function nodeImagesStep(context: KindContext): Step {
  return {
    title: 'Images from archives',
    async run(report) {
      const { loaded, held } = await loadArchives(context, report)
      report.say(held === 0 ? 'none: nodes pull' : loaded === 0 ? 'every node has them' : `${loaded} loaded`)
    },
  }
}

/**
 * Gives every node the images of the archives; a node that has them is left alone.
 * @returns how many archives are for nodes, and how many loads were done
 */
export async function loadArchives(
  context: KindContext,
  report: StepReport,
): Promise<{ readonly loaded: number; readonly held: number }> {
  const archives = await archivesForNodes(context)
  if (archives.length === 0) return { loaded: 0, held: 0 }
  const nodes = await nodesOf(context, report.signal)
  const counts = await Promise.all(nodes.map((node) => loadInto(context, node, archives, report)))
  return { loaded: counts.reduce((sum, each) => sum + each, 0), held: archives.length }
}

/** Images that only the docker daemon runs are not needed inside a node. */
async function archivesForNodes(context: KindContext): Promise<NamedArchive[]> {
  const memory = await readKindMemory(context.paths)
  const ownImages = [context.settings.registryImage, ...(memory?.nodeImage ? [memory.nodeImage] : [])]
  const daemons = new Set(ownImages.map(fullImageName))
  return (await archivesWithNames(context)).filter(({ names }) => !names.every((each) => daemons.has(each)))
}

async function loadInto(
  context: KindContext,
  { name }: Node,
  archives: readonly NamedArchive[],
  report: StepReport,
): Promise<number> {
  const listed = await docker(context, ['exec', name, ...ctr, 'ls', '--quiet'], { signal: report.signal })
  const there = new Set(listed.split('\n'))
  const missing = archives.filter(({ names }) => !names.every((each) => there.has(each)))
  for (const archive of missing) await load(context, name, archive, report)
  return missing.length
}

/** Streams an archive into a node's containerd, as kind does. */
async function load(context: KindContext, node: string, archive: NamedArchive, report: StepReport): Promise<void> {
  report.say(`${archive.names.join(', ')} to ${node}`)
  const args = ['exec', '-i', node, ...ctr, 'import', '--digests', '--snapshotter=overlayfs', '-']
  const send = () => docker(context, args, { inputFile: archive.file, signal: report.signal, msMax: loadMsMax })
  await twice(send, () => report.say(`${node} did not accept ${archive.file}; trying again`)).catch(
    (cause: unknown) => {
      if (!isProgramFailure(cause)) throw cause
      throw new Failure('program', `node ${node} does not accept the images of an archive`, {
        where: archive.file,
        ...(cause.output !== undefined && { output: cause.output }),
        next: ['The archive must be written by `docker save` and contain images for the platform of the nodes.'],
        cause,
      })
    },
  )
}

/** containerd may restart during a first try; a bad archive also fails the second time. */
async function twice<T>(attempt: () => Promise<T>, again: () => void): Promise<T> {
  try {
    return await attempt()
  } catch (error) {
    if (!isProgramFailure(error)) throw error
    again()
    return attempt()
  }
}

function isProgramFailure(error: unknown): error is Failure {
  return error instanceof Failure && error.kind === 'program'
}
