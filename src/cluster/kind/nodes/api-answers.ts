import { Failure } from '../../../core/failure.ts'
import { wait } from '../../../host/wait.ts'
import type { KindContext } from '../context.ts'
import { docker, kubectl } from '../docker/programs.ts'

const msMaxDefault = 300_000
const againMs = 1_000

/**
 * Waits until the API server answers and every node is ready: after a start of docker that takes some seconds. Attempts
 * that end early, as when a program in a node restarts, are repeated.
 * @throws Failure 'deadline', with the error of the last try
 */
export async function untilApiAnswers(
  context: Pick<KindContext, 'paths' | 'user' | 'clock'>,
  signal: AbortSignal,
  msMax = msMaxDefault,
): Promise<void> {
  const end = context.clock.now() + msMax
  for (;;) {
    const left = Math.max(end - context.clock.now(), 1)
    try {
      await docker(context, ['exec', `${context.paths.name}-control-plane`, 'sh', '-c', apiLoop], {
        signal,
        msMax: left,
      })
      const seconds = Math.ceil(left / 1000)
      const args = ['wait', '--for=condition=Ready', 'nodes', '--all', `--timeout=${seconds}s`]
      return void (await kubectl(context, args, { signal, msMax: left + 10_000 }))
    } catch (error) {
      if (!(error instanceof Failure && error.kind === 'program')) throw error
      if (context.clock.now() + againMs > end) throw late(context.paths.name, msMax, error)
      await wait(againMs, context.clock, signal)
    }
  }
}

function late(name: string, msMax: number, cause: Failure): Failure {
  return new Failure('deadline', `the API server of cluster "${name}" has not come back after ${msMax / 1000} s`, {
    ...(cause.output !== undefined && { output: cause.output }),
    next: [`\`docker logs ${name}-control-plane\` shows how far its node has got.`],
    cause,
  })
}

/** A constant script for the node's own shell: kubectl there needs no port of this machine. */
const apiLoop =
  'until kubectl --kubeconfig /etc/kubernetes/admin.conf get --raw /readyz >/dev/null 2>&1; do sleep 1; done'
