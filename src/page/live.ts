import type { Clock } from '../core/clock.ts'
import { type Exchange, HttpError } from '../wire/http.ts'

/** Tells open pages when there is something new: the one event stream of a page. */
export interface Live {
  /** Sends Server-Sent Events until the reader leaves, or the time is up; browsers reconnect by themselves. */
  follow(exchange: Exchange, state: State, fields: Readonly<Record<string, string>>): Promise<void>
  /** Ends all of them. */
  close(): void
}

/** A page's state as a text that changes whenever the page would. */
export type State = () => Promise<string>

const streamsMax = 64
/**
 * How often the state is checked, after which silence a keep-alive is sent, and how long one stream lasts, in
 * milliseconds.
 */
const lookMs = 1_000
const beatMs = 15_000
const streamMsMax = 10 * 60_000
/** A browser's reconnection delay. */
const againMs = 2_000

export function createLive(clock: Clock): Live {
  const closing = new AbortController()
  let open = 0

  async function follow(exchange: Exchange, state: State, fields: Readonly<Record<string, string>>): Promise<void> {
    if (open >= streamsMax) throw new HttpError(503, 'too many pages are followed already', { 'retry-after': '60' })
    open += 1
    try {
      exchange.respond(200, { ...fields, 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
      await exchange.write(Buffer.from(`retry: ${againMs}\n\n`))
      await tell(exchange, state)
    } finally {
      open -= 1
    }
  }

  async function tell(exchange: Exchange, state: State): Promise<void> {
    const ended = AbortSignal.any([exchange.signal, closing.signal])
    const until = clock.now() + streamMsMax
    let known = await state()
    let told = clock.now()
    // The page was made before this stream began, so it has to check once more.
    await exchange.write(event('ready'))
    while (clock.now() < until && (await pause(ended))) {
      const now = await state()
      if (now !== known) await exchange.write(event('change'))
      else if (clock.now() - told >= beatMs) await exchange.write(event('beat'))
      else continue
      known = now
      told = clock.now()
    }
  }

  /** @returns false if it was ended */
  function pause(ended: AbortSignal): Promise<boolean> {
    if (ended.aborted) return Promise.resolve(false)
    return new Promise((resolve) => {
      const stop = clock.after(lookMs, () => done(true))
      const onAbort = () => done(false)
      function done(goesOn: boolean): void {
        stop()
        ended.removeEventListener('abort', onAbort)
        resolve(goesOn)
      }
      ended.addEventListener('abort', onAbort)
    })
  }

  return { follow, close: () => closing.abort() }
}

function event(name: string): Buffer {
  return Buffer.from(`event: ${name}\ndata:\n\n`)
}
