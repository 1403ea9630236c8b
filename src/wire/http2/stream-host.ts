import type { Account } from '../account.ts'
import type { Output } from './output.ts'

/** What a stream needs of its connection. */
export interface StreamHost<Stream> {
  readonly peer: string
  readonly output: Output
  /** Bytes that the client still accepts on the whole connection. */
  sendWindow: number
  /** The connection's memory: for answers, including those queued on streams, and for requests. */
  readonly answers: Account
  readonly requests: Account
  /** Bytes received on paused streams. */
  heldBytes: number
  /** Sends what is queued on this stream when its turn comes. */
  wants(stream: Stream): void
  /** A stream's answer is complete; once its request is too, the stream can be forgotten. */
  answered(stream: Stream): void
  /** Resets a stream whose client does not take its answer. */
  cutOff(stream: Stream): void
  /** Some held bytes are free again. */
  released(): void
}
