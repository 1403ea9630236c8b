import { Failure } from '../../core/failure.ts'
import { decodeMessage } from '../../wire/decode.ts'
import { bes } from '../../wire/proto.ts'

const idCharactersMax = 200
/** More events than any build has; bounded because gaps are added up in a number. */
const sequenceMax = 1_000_000_000

/** An event as received, with its place in its stream. */
export interface Arrived {
  /** A unique name of the stream. */
  readonly stream: string
  readonly streamId: bes.IStreamId
  readonly sequence: number
  readonly event: bes.IBuildEvent | null | undefined
}

/** @throws Failure 'invalid' */
export function arrivedIn(bytes: Uint8Array): Arrived {
  const { orderedBuildEvent } = decodeMessage(bes.PublishBuildToolEventStreamRequest, bytes)
  const { streamId, sequenceNumber: sequence, event } = orderedBuildEvent ?? {}
  const { buildId, invocationId, component } = streamId ?? {}
  if (!streamId || !invocationId) throw new Failure('invalid', 'stream_id.invocation_id is missing')
  if (invocationId.length > idCharactersMax || (buildId ?? '').length > idCharactersMax)
    throw new Failure('invalid', `stream_id: an id has more than ${idCharactersMax} characters`)
  if (typeof sequence !== 'number' || !Number.isSafeInteger(sequence) || sequence < 1 || sequence > sequenceMax)
    throw new Failure('invalid', `sequence_number: numbers are from 1 to ${sequenceMax}`)
  return { stream: JSON.stringify([buildId, invocationId, component]), streamId, sequence, event }
}
