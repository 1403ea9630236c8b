import type { Clock } from '../core/clock.ts'
import type { Digest } from '../core/digest.ts'
import { messageBytesMax } from '../core/limits.ts'
import { re } from '../wire/proto.ts'
import type { Caller, Ended, Found, Recorder, Repeated } from './recorder.ts'

/** An event that waits to be sent. `at` is milliseconds since 1970. */
export type Seen =
  | (AboutAction & { readonly kind: 'lookup'; readonly found: Found })
  | (AboutAction & { readonly kind: 'update'; readonly result: Told })
  | (AboutAction & { readonly kind: 'execution'; readonly ended: Ended })
  | (AboutAction & { readonly kind: 'repeat'; readonly repeated: Repeated })
  | Traffic

interface AboutAction extends Caller {
  readonly at: number
  readonly action: Digest
  /** Upper bound of its size in memory and in a message. */
  readonly bytes: number
}

/** What is kept of a result, which can be large as a whole. */
type Told = Pick<re.ActionResult.$Properties, 'exitCode' | 'executionMetadata'>

interface Traffic {
  readonly kind: 'traffic'
  readonly at: number
  readonly metadata: string
  received: number
  sent: number
  saved: number
  readonly bytes: number
}

/** Events that wait to be sent, oldest first. */
export interface EventList {
  readonly recorder: Recorder
  readonly size: number
  /** Takes out the oldest, as many as fit into a batch, and the number dropped since the last time. */
  take(max: number): { readonly events: readonly Seen[]; readonly dropped: number }
  /** From now on nothing is added. */
  close(): void
}

export interface EventListHooks {
  /** The list was empty, and no longer is. */
  first(): void
  dropped(): void
}

const eventsMax = 50_000
/** Typically some 20 MB, most of it the clients' metadata. */
const listBytesMax = 32 * 1024 * 1024
/** Of a batch, which is one message; a single event is always below the message limit. */
const batchBytesMax = messageBytesMax / 2
/** Of both results of an action that was run twice. */
const resultsBytesMax = 1024 * 1024
/** As much as the console keeps. */
const textLengthMax = 1024
/** Digests, times and numbers of an event. */
const eventBytes = 512

export function createEventList(clock: Clock, hooks: EventListHooks): EventList {
  /** Those before `begin` have been taken. */
  let events: (Seen | undefined)[] = []
  let begin = 0
  /** Added up per client. */
  const traffic = new Map<string, Traffic>()
  let dropped = 0
  let bytes = 0
  let closed = false

  const size = () => events.length - begin + traffic.size

  /** Is there room for another event of this size? */
  function admits(more: number): boolean {
    if (closed) return false
    if (size() < eventsMax && bytes + more <= listBytesMax) return true
    dropped += 1
    hooks.dropped()
    return false
  }

  function add(seen: Exclude<Seen, Traffic>): void {
    events.push(seen)
    bytes += seen.bytes
    if (size() === 1) hooks.first()
  }

  /** What all events of actions have, if there is room for one with this many more bytes. */
  function admitted(caller: Caller, action: Digest, more = 0): AboutAction | undefined {
    const { metadata, instance } = caller
    const own = bytesOfEvent(caller) + more
    return admits(own) ? { at: clock.now(), metadata, instance: cut(instance), action, bytes: own } : undefined
  }

  const recorder: Recorder = {
    // By far the most frequent: of a busy cache, each hit. So it is put together at once.
    lookup(caller, action, found) {
      const own = bytesOfEvent(caller)
      if (!admits(own)) return
      const { metadata, instance } = caller
      add({ kind: 'lookup', at: clock.now(), metadata, instance: cut(instance), action, bytes: own, found })
    },
    update(caller, action, result) {
      const common = admitted(caller, action, textBytes(result.executionMetadata?.worker))
      if (common) add({ kind: 'update', ...common, result: toldEnd(result) })
    },
    execution(caller, action, ended) {
      const common = admitted(caller, action, textBytes(ended.message) + textBytes(ended.metadata?.worker))
      const kept = { ...ended, message: cut(ended.message), metadata: toldMetadata(ended.metadata) }
      if (common) add({ kind: 'execution', ...common, ended: kept })
    },
    repeat(caller, action, { isSame, first, second }) {
      const repeated = isSame ? sameTwice : { isSame, ...toldResults(first, second) }
      const common = admitted(caller, action, isSame ? 0 : resultBytes(repeated.first) + resultBytes(repeated.second))
      if (common) add({ kind: 'repeat', ...common, repeated })
    },
    traffic(metadata, received, sent, saved = 0) {
      if (metadata === undefined || received + sent + saved === 0) return
      const known = traffic.get(metadata)
      if (known) {
        known.received += received
        known.sent += sent
        known.saved += saved
        return
      }
      const own = eventBytes + metadata.length
      if (!admits(own)) return
      bytes += own
      traffic.set(metadata, { kind: 'traffic', at: clock.now(), metadata, received, sent, saved, bytes: own })
      if (size() === 1) hooks.first()
    },
  }

  return {
    recorder,
    get size() {
      return size()
    },
    take(max) {
      const taken: Seen[] = []
      let left = batchBytesMax
      const fits = (each: Seen) => taken.length < max && each.bytes <= left
      function keep(each: Seen): void {
        taken.push(each)
        left -= each.bytes
        bytes -= each.bytes
      }
      for (let next = events[begin]; next && fits(next); next = events[begin]) {
        keep(next)
        events[begin] = undefined
        begin += 1
      }
      // A copy for each batch would move fifty thousand events to take a thousand.
      if (2 * begin >= events.length) {
        events = events.slice(begin)
        begin = 0
      }
      if (events.length === begin)
        for (const each of traffic.values()) {
          if (!fits(each)) break
          keep(each)
          traffic.delete(each.metadata)
        }
      const lost = dropped
      dropped = 0
      return { events: taken, dropped: lost }
    },
    close() {
      closed = true
    },
  }
}

/** Upper bound of an event about an action, apart from what it says of it. */
function bytesOfEvent({ metadata, instance }: Caller): number {
  return eventBytes + (metadata?.length ?? 0) + textBytes(instance)
}

/** Two equal results are of no further use. */
const sameTwice: Repeated = { isSame: true, first: {}, second: {} }

/** What is compared of two results; without their outputs if those are too large. */
function toldResults(
  first: re.ActionResult.$Properties,
  second: re.ActionResult.$Properties,
): Omit<Repeated, 'isSame'> {
  const whole = { first: toldResult(first), second: toldResult(second) }
  if (resultBytes(whole.first) + resultBytes(whole.second) <= resultsBytesMax) return whole
  return { first: toldEnd(first), second: toldEnd(second) }
}

function toldResult(result: re.ActionResult.$Properties): re.ActionResult.$Properties {
  const { stdoutRaw: _, stderrRaw: __, ...kept } = result
  return { ...kept, ...toldEnd(result) }
}

function toldEnd({ exitCode, executionMetadata }: re.ActionResult.$Properties): Told {
  return { exitCode: exitCode ?? 0, executionMetadata: toldMetadata(executionMetadata) }
}

function resultBytes(result: re.ActionResult.$Properties): number {
  return re.ActionResult.encode(result).finish().length
}

/** A worker or a client may add large things there that nobody reads. */
function toldMetadata(metadata: re.ExecutedActionMetadata.$Properties | null | undefined) {
  if (!metadata) return null
  const { worker, auxiliaryMetadata: _, ...times } = metadata
  return { ...times, worker: cut(worker ?? '') }
}

/** A copy, since a slice would keep the whole string in memory. */
function cut(text: string): string {
  if (text.length <= textLengthMax) return text
  return Buffer.from(text.slice(0, textLengthMax), 'utf16le').toString('utf16le')
}

/** Upper bound for a text that gets cut. */
function textBytes(text: string | null | undefined): number {
  return 3 * Math.min(text?.length ?? 0, textLengthMax)
}
