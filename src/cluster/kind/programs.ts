import { execa } from 'execa'
import { Failure } from '../../core/failure.ts'
import type { KindContext } from './context.ts'

export interface Call {
  readonly signal?: AbortSignal
  readonly input?: string
  readonly msMax?: number
  readonly env?: Readonly<Record<string, string>>
  /** What to do when it fails. */
  readonly next?: readonly string[]
}

const msMaxDefault = 30_000
const outputMax = 4_000

const cures: Readonly<Record<string, string>> = {
  docker: 'Install docker and start its daemon: https://docs.docker.com/engine/install/',
  kind: 'Install kind: https://kind.sigs.k8s.io/docs/user/quick-start/#installation',
  kubectl: 'Install kubectl: https://kubernetes.io/docs/tasks/tools/',
}

/** Calls docker. @throws Failure 'precondition' without the program, 'program' when it fails, 'deadline' */
export function docker(context: KindContext, args: readonly string[], call: Call = {}): Promise<string> {
  return run(context, 'docker', args, call)
}

/** Calls kind, which keeps to our own kubeconfig and docker network. */
export function kind(context: KindContext, args: readonly string[], call: Call = {}): Promise<string> {
  const env = { KUBECONFIG: context.paths.kubeconfig, KIND_EXPERIMENTAL_DOCKER_NETWORK: networkName(context) }
  return run(context, 'kind', args, { ...call, env })
}

/** Calls kubectl on this cluster and no other: our own kubeconfig, and its context by name. */
export function kubectl(context: KindContext, args: readonly string[], call: Call = {}): Promise<string> {
  const place = ['--kubeconfig', context.paths.kubeconfig, '--context', contextName(context)]
  return run(context, 'kubectl', [...place, ...args], call)
}

/** Calls kubectl for nothing but changing a kubeconfig. */
export function kubectlConfig(context: KindContext, file: string, args: readonly string[]): Promise<string> {
  return run(context, 'kubectl', ['config', '--kubeconfig', file, ...args], {})
}

/** kind's own way to name contexts, clusters and users. */
export function contextName({ paths }: KindContext): string {
  return `kind-${paths.name}`
}

/** The docker network of this cluster alone. */
export function networkName({ paths }: KindContext): string {
  return `native-${paths.name}`
}

async function run(context: KindContext, file: string, args: readonly string[], call: Call): Promise<string> {
  const msMax = call.msMax ?? msMaxDefault
  const result = await execa(file, args, {
    env: { ...context.surroundings.env, ...call.env },
    extendEnv: false,
    reject: false,
    timeout: msMax,
    all: true,
    maxBuffer: 64 * 1024 * 1024,
    ...(call.input === undefined ? { stdin: 'ignore' } : { input: call.input }),
    ...(call.signal && { cancelSignal: call.signal }),
  })
  if (!result.failed) return result.stdout
  call.signal?.throwIfAborted()
  const next = cures[file] ?? ''
  if (result.code === 'ENOENT') throw new Failure('precondition', `there is no program "${file}"`, { next: [next] })
  const shown = `${file} ${args
    .filter((each) => !each.startsWith('/'))
    .slice(0, 8)
    .join(' ')}`
  if (result.timedOut) throw new Failure('deadline', `\`${shown}\` did not end in ${msMax / 1000} s`)
  throw new Failure('program', `\`${shown}\` ended with exit code ${result.exitCode}`, {
    output: (result.all ?? '').slice(-outputMax),
    ...(call.next && { next: call.next }),
    cause: result.cause,
  })
}
