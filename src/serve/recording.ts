import { createRecording, type Recording, recordMethod } from '../client/record.ts'
import type { Recorder } from '../client/recorder.ts'
import type { Secret } from '../core/secret.ts'
import { openDirectChannel } from '../wire/direct.ts'
import { identifiedChannel } from '../wire/identity.ts'
import { signedChannel } from '../wire/signed.ts'
import type { ServeContext } from './running.ts'

/**
 * The recorder of a server that has a console; undefined without one.
 * @param url `grpc://host:port` of the console
 */
export function recordingFor(
  url: string | undefined,
  secret: Secret | undefined,
  context: ServeContext,
): Recording | undefined {
  if (url === undefined) return undefined
  const channel = openDirectChannel(url)
  const own = secret
    ? signedChannel(identifiedChannel(channel, secret, 'scheduler', context.clock.now), secret, recordMethod)
    : channel
  const recording = createRecording({ channel: own, ...context })
  return {
    recorder: recording.recorder,
    async close() {
      await recording.close()
      channel.close()
    },
  }
}

/** Combines recorders into one; undefined if there are none. */
export function allOf(recorders: readonly (Recorder | undefined)[]): Recorder | undefined {
  const each = recorders.filter((recorder) => recorder !== undefined)
  if (each.length <= 1) return each[0]
  return {
    lookup(...seen) {
      for (const recorder of each) recorder.lookup(...seen)
    },
    update(...seen) {
      for (const recorder of each) recorder.update(...seen)
    },
    execution(...seen) {
      for (const recorder of each) recorder.execution(...seen)
    },
    repeat(...seen) {
      for (const recorder of each) recorder.repeat(...seen)
    },
    traffic(...seen) {
      for (const recorder of each) recorder.traffic(...seen)
    },
  }
}
