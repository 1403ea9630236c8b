import { packAny } from '../../src/wire/any.ts'
import { bep, bes } from '../../src/wire/proto.ts'
import type { Channel } from '../../src/wire/rpc.ts'

const method = 'google.devtools.build.v1.PublishBuildEvent/PublishBuildToolEventStream'

/** An event of Bazel, or bytes that stand in the place of one. */
export type Sent = bep.BuildEvent.$Properties | Uint8Array | 'last'

/** A request with an event of this number. */
export function requestOf(
  invocation: string,
  sequenceNumber: number,
  sent: Sent,
  eventTime?: { seconds: number; nanos: number },
): Uint8Array {
  const bytes = (event: Exclude<Sent, 'last'>) =>
    event instanceof Uint8Array ? event : bep.BuildEvent.encode(event).finish()
  const event =
    sent === 'last'
      ? { componentStreamFinished: { type: bes.BuildEvent.BuildComponentStreamFinished.FinishType.FINISHED } }
      : { ...(eventTime && { eventTime }), bazelEvent: packAny('build_event_stream.BuildEvent', bytes(sent)) }
  const streamId = { buildId: `request of ${invocation}`, invocationId: invocation, component: 3 }
  const orderedBuildEvent = { streamId, sequenceNumber, event }
  return bes.PublishBuildToolEventStreamRequest.encode({ orderedBuildEvent, projectId: '' }).finish()
}

/** One call of a build tool, event by event. */
export interface Telling {
  send(request: Uint8Array): void
  /** The number of the next event that is acknowledged. */
  acknowledged(): Promise<number>
  /** Settles when the call ends; fails when it ends with an error. */
  rest(): Promise<number[]>
  /** Tells no more. */
  end(): void
}

export function openTelling(channel: Channel, signal?: AbortSignal): Telling {
  const waiting: Uint8Array[] = []
  let wake = Promise.withResolvers<void>()
  let over = false
  async function* requests() {
    for (;;) {
      for (let next = waiting.shift(); next; next = waiting.shift()) yield next
      if (over) return
      await wake.promise
      wake = Promise.withResolvers()
    }
  }
  const answers = channel.bidi(method, requests(), signal ? { signal } : {})[Symbol.asyncIterator]()
  const numberOf = (bytes: Uint8Array) => bes.PublishBuildToolEventStreamResponse.decode(bytes).sequenceNumber
  return {
    send(request) {
      waiting.push(request)
      wake.resolve()
    },
    async acknowledged() {
      const { value, done } = await answers.next()
      if (done) throw new Error('the call ended without an acknowledgement')
      return numberOf(value)
    },
    async rest() {
      const numbers: number[] = []
      for (let next = await answers.next(); !next.done; next = await answers.next()) numbers.push(numberOf(next.value))
      return numbers
    },
    end() {
      over = true
      wake.resolve()
    },
  }
}

/** Tells events in one call, from a number on. @returns the numbers that were acknowledged */
export async function tell(channel: Channel, invocation: string, events: readonly Sent[], from = 1): Promise<number[]> {
  const telling = openTelling(channel)
  for (const [at, event] of events.entries()) telling.send(requestOf(invocation, from + at, event))
  telling.end()
  return telling.rest()
}

export const started = (command = 'build'): Sent => ({
  id: {},
  started: { command, buildToolVersion: '7.7.1', workspaceDirectory: '/ws', startTime: { seconds: 1_800_000_000 } },
})
export const patterns = (...pattern: string[]): Sent => ({ id: { pattern: { pattern } }, expanded: {} })
export const printed = (stderr: string): Sent => ({ progress: { stderr } })
export const target = (label: string, success = true): Sent => ({
  id: { targetCompleted: { label, configuration: { id: 'c' } } },
  completed: { success },
})
export const finished = (code = 0, name = 'SUCCESS'): Sent => ({
  id: { buildFinished: {} },
  finished: { exitCode: { code, name }, finishTime: { seconds: 1_800_000_009 } },
})
