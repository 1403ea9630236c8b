import { execa } from 'execa'
import { z } from 'zod'
import { Failure } from '../../../core/failure.ts'
import type { ProgramContext } from '../context.ts'
import { daemonProblem } from './daemon.ts'

export interface Call {
  readonly signal?: AbortSignal
  readonly input?: string
  /** A file for its standard input. */
  readonly inputFile?: string
  readonly msMax?: number
  readonly env?: Readonly<Record<string, string>>
  /** What to do when it fails. */
  readonly next?: readonly string[]
  /** Called with each line that it writes for people while it runs. */
  readonly line?: (text: string) => void
}

const msMaxDefault = 30_000
const outputMax = 4_000

const cures: Readonly<Record<string, string>> = {
  docker: 'Install docker and start its daemon: https://docs.docker.com/engine/install/',
  kind: 'Install kind: https://kind.sigs.k8s.io/docs/user/quick-start/#installation',
  kubectl: 'Install kubectl: https://kubernetes.io/docs/tasks/tools/',
  helm: 'Install helm: https://helm.sh/docs/intro/install/, or use --gateway envoy, which needs none.',
}

/**
 * Calls docker.
 * @throws Failure 'precondition' without the program, 'unavailable' or 'denied' when its daemon cannot be reached,
 *   'program' when it fails, 'deadline'
 */
export function docker(context: ProgramContext, args: readonly string[], call: Call = {}): Promise<string> {
  return run(context, 'docker', args, call)
}

/** Calls kind, restricted to our own kubeconfig and docker network. */
export function kind(context: ProgramContext, args: readonly string[], call: Call = {}): Promise<string> {
  const env = { KUBECONFIG: context.paths.kubeconfig, KIND_EXPERIMENTAL_DOCKER_NETWORK: networkName(context) }
  return run(context, 'kind', args, { ...call, env })
}

/** Calls kubectl on this cluster only: with our own kubeconfig, and its context by name. */
export function kubectl(context: ProgramContext, args: readonly string[], call: Call = {}): Promise<string> {
  const place = ['--kubeconfig', context.paths.kubeconfig, '--context', contextName(context)]
  return run(context, 'kubectl', [...place, ...args], call)
}

/** Calls kubectl only to change a kubeconfig. */
export function kubectlConfig(context: ProgramContext, file: string, args: readonly string[]): Promise<string> {
  return run(context, 'kubectl', ['config', '--kubeconfig', file, ...args], {})
}

const clientVersion = z.object({ clientVersion: z.object({ gitVersion: z.string() }) })

/** kubectl's own version, like 1.34.4; it asks no cluster. @throws Failure 'precondition' without the program */
export async function kubectlVersion(context: ProgramContext, signal: AbortSignal): Promise<string> {
  const text = await run(context, 'kubectl', ['version', '--client', '--output=json'], { signal })
  return clientVersion.parse(JSON.parse(text)).clientVersion.gitVersion.replace(/^v/, '')
}

/** kind's own way to name contexts, clusters and users. */
export function contextName({ paths }: ProgramContext): string {
  return `kind-${paths.name}`
}

/** The name of this cluster's own docker network. */
export function networkName({ paths }: ProgramContext): string {
  return `native-${paths.name}`
}

/** Calls any program for the cluster; when one that needs docker fails, docker is checked first. */
export async function run(context: ProgramContext, file: string, args: readonly string[], call: Call): Promise<string> {
  const msMax = call.msMax ?? msMaxDefault
  const started = execa(file, args, {
    env: { ...context.user.env, ...call.env },
    extendEnv: false,
    reject: false,
    timeout: msMax,
    all: true,
    maxBuffer: 64 * 1024 * 1024,
    ...inputOf(call),
    ...(call.signal && { cancelSignal: call.signal }),
  })
  if (call.line) tell(started.stderr, call.line)
  const result = await started
  if (!result.failed) return result.stdout
  call.signal?.throwIfAborted()
  if (result.code === 'ENOENT')
    throw new Failure('precondition', `there is no program "${file}"`, { next: [cures[file] ?? `Install ${file}.`] })
  if (file === 'docker' || file === 'kind') {
    const problem = await daemonProblem(context)
    if (problem) throw problem
  }
  const shown = `${file} ${args
    .filter((each) => !each.startsWith('/'))
    .slice(0, 8)
    .join(' ')}`
  const output = (result.all ?? '').slice(-outputMax)
  const next = call.next ? { next: call.next } : {}
  if (result.timedOut)
    throw new Failure('deadline', `\`${shown}\` did not end in ${msMax / 1000} s`, { output, ...next })
  const end = result.exitCode === undefined ? `by ${result.signal ?? 'a signal'}` : `with exit code ${result.exitCode}`
  throw new Failure('program', `\`${shown}\` ended ${end}`, { output, ...next, cause: result.cause })
}

function inputOf({ input, inputFile }: Call): { input?: string; inputFile?: string; stdin?: 'ignore' } {
  if (inputFile !== undefined) return { inputFile }
  return input === undefined ? { stdin: 'ignore' } : { input }
}

/** Passes on lines as they arrive; an incomplete last one is dropped. */
function tell(stream: NodeJS.ReadableStream, line: (text: string) => void): void {
  let rest = ''
  stream.on('data', (chunk: unknown) => {
    const parts = (rest + String(chunk)).split(/[\r\n]+/)
    rest = (parts.pop() ?? '').slice(-outputMax)
    for (const each of parts) if (each.trim() !== '') line(each.trim())
  })
}
