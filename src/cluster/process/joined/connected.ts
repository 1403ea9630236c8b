import type { ServerSpec } from '../../../config/supervisor.ts'
import type { Clock } from '../../../core/clock.ts'
import { Failure } from '../../../core/failure.ts'
import { wait } from '../../../host/wait.ts'
import { askWeb } from '../../../telemetry/ask-web.ts'
import { loopback } from '../../shared/ports.ts'
import { notesIn } from '../server-status.ts'

/** A scheduler that has just answered accepts the worker within this time. */
const connectMsMax = 30_000
const pollMs = 100
const askMsMax = 2_000

/** @throws Failure 'unavailable' with the worker's own message when the scheduler has not accepted it in time */
export async function untilConnected(clock: Clock, spec: ServerSpec, signal: AbortSignal): Promise<void> {
  const deadline = clock.now() + connectMsMax
  for (;;) {
    const health = await askWeb(spec.metrics ?? loopback, '/healthz', askMsMax)
    if (health?.status === 200) return
    if (clock.now() > deadline)
      throw new Failure('unavailable', `the scheduler does not accept the worker: ${reasonIn(health?.text)}`, {
        next: ['If another worker already has this name, choose another one with --worker; `native logs` shows more.'],
      })
    await wait(pollMs, clock, signal)
  }
}

function reasonIn(text: string | undefined): string {
  return notesIn(text ?? '')[0] ?? 'it says nothing'
}
