import { z } from 'zod'
import { Failure, messageOf } from '../../../core/failure.ts'
import type { UserContext } from '../../../host/user-folders.ts'
import { wait } from '../../../host/wait.ts'
import type { Step, StepReport } from '../../driver.ts'
import type { KindContext, ProgramContext } from '../context.ts'
import { isOurs, labelArguments } from '../docker/labels.ts'
import { docker, networkName } from '../docker/programs.ts'
import { kindPaths } from '../paths.ts'
import { ensureDaemonImage } from './daemon-images.ts'

/** The registry's name for pods and nodes, the same in every cluster: each has its own docker network. */
export const registryName = 'native-registry:5000'
const alias = 'native-registry'
const port = '5000/tcp'
const answerMsMax = 60_000
const attemptMsMax = 2_000
const pollMs = 100

/** Where the cluster's registry is reached. */
export interface Registry {
  /** `127.0.0.1:PORT`, from this machine alone; another port after each start. */
  readonly host: string
  /** As images of pods name it. */
  readonly name: string
}

const inspected = z
  .array(
    z.object({
      Id: z.string(),
      Config: z.object({ Labels: z.record(z.string(), z.string()).nullable() }),
      State: z.object({ Running: z.boolean() }),
      NetworkSettings: z.object({
        Ports: z.record(z.string(), z.array(z.object({ HostIp: z.string(), HostPort: z.string() })).nullable()),
      }),
    }),
  )
  .length(1)

interface Container {
  readonly id: string
  readonly ours: boolean
  readonly running: boolean
  readonly host: string | undefined
}

/** The cluster's registry; undefined unless it runs and is ours. */
export async function registryOf(context: ProgramContext): Promise<Registry | undefined> {
  const container = await readContainer(context)
  if (!container?.ours || !container.running || container.host === undefined) return undefined
  return { host: container.host, name: registryName }
}

/**
 * The registry of a cluster by the cluster's name, for `kind:[CLUSTER]` places of images.
 * @throws Failure 'not-found' without one
 */
export async function registryPlace(clusterName: string, user: UserContext): Promise<Registry> {
  const registry = await registryOf({ paths: kindPaths(clusterName, user), user })
  if (registry) return registry
  throw new Failure('not-found', `there is no kind cluster "${clusterName}" with a registry that runs`, {
    where: `kind:${clusterName}`,
    next: [`\`native up --driver kind --name ${clusterName}\` brings it up.`],
  })
}

/** A registry beside the nodes: it brings what is built here to them, and only moves what they lack. */
export function registryStep(context: KindContext): Step {
  let made = false
  return {
    title: 'Registry',
    async run(report) {
      const before = await readContainer(context)
      if (before && !before.ours) throw foreign(context)
      made = before === undefined
      if (!before?.running && !(before && (await started(context, before, report)))) await create(context, report)
      const registry = await registryOf(context)
      if (!registry) throw new Failure('unavailable', 'the registry does not keep running', logsOf(context))
      await untilAnswers(context, registry, report)
      const how = made ? 'made' : before?.running ? 'already running' : 'started again'
      report.say(`${how}; ${registry.host} here, ${registry.name} on the nodes`)
    },
    async undo() {
      if (made) await removeRegistry(context)
    },
    undoes: () => made,
  }
}

/**
 * Removes the registry and its volume, if they are ours.
 * @returns whether something was there
 */
export async function removeRegistry(context: ProgramContext): Promise<boolean> {
  const container = await readContainer(context)
  const ours = container?.ours ?? false
  if (container && ours) await docker(context, ['rm', '--force', '--volumes', container.id], { msMax: 60_000 })
  const name = containerName(context)
  const listed = await docker(context, ['volume', 'ls', '--quiet', '--filter', `name=^${name}$`])
  if (listed.trim() === '' || !(await isOwnVolume(context, name))) return ours
  await docker(context, ['volume', 'rm', name], { msMax: 60_000 })
  return true
}

async function isOwnVolume(context: ProgramContext, name: string): Promise<boolean> {
  const text = await docker(context, ['volume', 'inspect', name])
  const [found] = z
    .array(z.object({ Labels: z.record(z.string(), z.string()).nullable() }))
    .length(1)
    .parse(JSON.parse(text))
  return isOurs(context, found?.Labels ?? null)
}

/** Also the volume's name; contains the cluster's name to be distinct from those of others. */
function containerName({ paths }: ProgramContext): string {
  return `native-${paths.name}-registry`
}

async function readContainer(context: ProgramContext): Promise<Container | undefined> {
  const filter = `name=^/?${containerName(context)}$`
  const ids = await docker(context, ['ps', '--all', '--quiet', '--no-trunc', '--filter', filter])
  const [id] = ids.split('\n')
  if (!id) return undefined
  const [found] = inspected.parse(JSON.parse(await docker(context, ['container', 'inspect', id])))
  if (!found) return undefined
  const published = found.NetworkSettings.Ports[port]?.[0]?.HostPort
  return {
    id,
    ours: isOurs(context, found.Config.Labels),
    running: found.State.Running,
    host: published ? `127.0.0.1:${published}` : undefined,
  }
}

async function create(context: KindContext, report: StepReport): Promise<void> {
  const name = containerName(context)
  const image = context.settings.registryImage
  await ensureDaemonImage(context, image, 'registry_image', report)
  await docker(context, ['volume', 'create', ...labelArguments(context), name], { signal: report.signal })
  const args = [
    ...['run', '--detach', '--name', name, ...labelArguments(context), '--restart', 'unless-stopped'],
    ...['--network', networkName(context), '--network-alias', alias, '--publish', `127.0.0.1::${port}`],
    ...['--volume', `${name}:/var/lib/registry`, '--env', 'REGISTRY_STORAGE_DELETE_ENABLED=true'],
    // Otherwise it looks for a trace collector, and complains each time.
    ...['--env', 'OTEL_TRACES_EXPORTER=none', image],
  ]
  await docker(context, args, { signal: report.signal, msMax: 120_000 })
}

/**
 * Starts a stopped one. One that does not start (its network was recreated, it never ran) is removed; its contents are
 * in its volume.
 * @returns whether it runs
 */
async function started(context: KindContext, { id }: Container, { signal }: StepReport): Promise<boolean> {
  return docker(context, ['start', id], { signal }).then(
    () => true,
    async (error: unknown) => {
      if (!(error instanceof Failure && error.kind === 'program')) throw error
      await docker(context, ['rm', '--force', id], { signal })
      return false
    },
  )
}

/** From the distribution-spec, "Determining support": GET /v2/ answers 200. */
async function untilAnswers(context: KindContext, { host }: Registry, { signal }: StepReport): Promise<void> {
  const deadline = context.clock.now() + answerMsMax
  for (;;) {
    const problem = await fetch(`http://${host}/v2/`, {
      signal: AbortSignal.any([signal, AbortSignal.timeout(attemptMsMax)]),
    }).then(
      ({ status }) => (status === 200 ? undefined : `HTTP ${status}`),
      (error: unknown) => messageOf(error),
    )
    if (problem === undefined) return
    signal.throwIfAborted()
    if (context.clock.now() > deadline)
      throw new Failure('deadline', `the registry does not answer: ${problem}`, { ...logsOf(context), where: host })
    await wait(pollMs, context.clock, signal)
  }
}

function logsOf(context: ProgramContext): { next: readonly string[] } {
  return { next: [`\`docker logs ${containerName(context)}\` shows why.`] }
}

function foreign(context: ProgramContext): Failure {
  const name = containerName(context)
  return new Failure('exists', `there is a container "${name}" that was not made for this cluster`, {
    where: name,
    next: [`Give another cluster name with --name, or remove it with \`docker rm --force ${name}\`.`],
  })
}
