import type { Call, Service } from '../../src/wire/rpc.ts'

/** Settles when `open` is called: how tests wait for an event instead of a time. */
export function gate<T = void>(): { readonly opened: Promise<T>; open(value: T): void } {
  const { promise, resolve } = Promise.withResolvers<T>()
  return { opened: promise, open: resolve }
}

/**
 * Settles when a transfer stands still: round trips on the same connection leave its progress as it is. Each of them lets at
 * least one frame pass that could, so that more of them than a message has frames are enough.
 * @param progress messages of 256 KiB, or less
 * @param roundTrip a call, or a ping, that does not depend on the transfer
 */
export async function standsStill(progress: () => number, roundTrip: () => Promise<unknown>): Promise<void> {
  const framesOfMessage = 256 / 16
  let before = progress()
  for (let unchanged = 0; unchanged <= framesOfMessage; unchanged += 1) {
    await roundTrip()
    if (progress() !== before) unchanged = 0
    before = progress()
  }
}

export async function all(messages: AsyncIterable<Buffer>): Promise<Buffer[]> {
  const list: Buffer[] = []
  for await (const each of messages) list.push(each)
  return list
}

export async function* from(...messages: readonly Uint8Array[]): AsyncIterable<Uint8Array> {
  yield* messages
}

/** A service whose methods are given one by one. */
export function service(methods: Service['methods']): Service {
  return { name: 'test.Service', methods }
}

/** Settles when the call is aborted, with the reason. */
export function aborted(call: Call): Promise<unknown> {
  const { promise, resolve } = Promise.withResolvers<unknown>()
  if (call.signal.aborted) resolve(call.signal.reason)
  call.signal.addEventListener('abort', () => resolve(call.signal.reason))
  return promise
}

/** Never ends, but for the call's own end. */
export async function untilAborted(call: Call): Promise<never> {
  throw await aborted(call)
}

/** Bytes that differ from place to place, so that a mix-up shows. */
export function pattern(length: number, seed = 1): Buffer {
  const bytes = Buffer.allocUnsafe(length)
  let state = seed
  for (let at = 0; at < length; at += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    bytes[at] = state >>> 24
  }
  return bytes
}
