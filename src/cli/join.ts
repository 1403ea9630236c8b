import type { Driver } from '../cluster/driver.ts'
import { hostPortText, parseGrpcUrl } from '../core/address.ts'
import { systemClock } from '../core/clock.ts'
import { Failure, messageOf } from '../core/failure.ts'
import { onEndSignal } from '../host/end-signals.ts'
import { wait } from '../host/wait.ts'

const lookMsDefault = 2_000

/**
 * The `grpcs://host:port` for a scheduler's address as the user wrote it.
 * @throws Failure 'invalid' for an address without TLS, where anyone on the network path could make this machine run
 *   commands
 */
export function joinUrl(text: string): string {
  const place = parseGrpcUrl(/^(?:[a-z]+:\/\/|unix:)/i.test(text) ? text : `grpcs://${text}`)
  if ('path' in place)
    throw new Failure('invalid', 'a socket is reached by programs of its own machine alone, so none can join by it', {
      where: text,
      next: ['Have the scheduler listen on a port with TLS, and write grpcs://HOST:PORT.'],
    })
  if (place.secure) return `grpcs://${hostPortText(place)}`
  throw new Failure(
    'invalid',
    'a machine can only join over TLS: without it, anyone on the network path could send it commands',
    {
      where: text,
      next: ['Write grpcs://HOST:PORT, as `native invite` prints it.'],
    },
  )
}

/** @throws Failure 'invalid' for an invalid worker name */
export function workerName(text: string): string {
  if (/^[\w.@+-]{1,100}$/.test(text)) return text
  throw new Failure('invalid', 'the name of a worker has at most 100 characters: letters, digits and . _ @ + -', {
    where: '--worker',
  })
}

/** Whether this process was asked to end; it keeps running until `close` is called. */
export interface EndSignals {
  readonly asked: AbortSignal
  close(): void
}

/** From now on SIGTERM and SIGINT do not end this process: what it has started has to be undone first. */
export function awaitEnd(): EndSignals {
  const controller = new AbortController()
  return { asked: controller.signal, close: onEndSignal(() => controller.abort()) }
}

/**
 * Waits until it is asked to end, or somebody else has ended what was started. A status that occasionally cannot be
 * read is no reason to end: the worker runs without anybody looking at it.
 * @param tell called for each such failure, and for each new problem of the worker or its supervisor
 * @returns true if somebody else ended the worker
 */
export async function untilEnded(
  driver: Pick<Driver, 'status'>,
  asked: AbortSignal,
  tell: (message: string) => void,
  lookMs = lookMsDefault,
): Promise<boolean> {
  let last = ''
  while (!asked.aborted) {
    const { joined, problems } = await driver.status().catch(unknownState)
    if (joined === null) return true
    const message = problems.join('; ')
    if (message !== '' && message !== last) tell(message)
    last = message
    await wait(lookMs, systemClock, asked).catch(() => undefined)
  }
  return false
}

function unknownState(error: unknown): { readonly joined: undefined; readonly problems: readonly string[] } {
  return { joined: undefined, problems: [`cannot read the state of the worker: ${messageOf(error)}`] }
}
