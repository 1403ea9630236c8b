import type { Account } from '../account.ts'
import type { Output } from './output.ts'

/** What a stream needs of its connection. */
export interface StreamHost<Stream> {
  readonly peer: string
  readonly output: Output
  /** Bytes that the client still takes on the whole connection. */
  sendWindow: number
  /** What the connection holds: of answers, those that wait on streams among them, and of requests. */
  readonly answers: Account
  readonly requests: Account
  /** Bytes that came on streams which are paused. */
  heldBytes: number
  /** Sends what waits on this stream as soon as its turn comes. */
  wants(stream: Stream): void
  /** A stream's answer is complete; once its request is too, the stream can be forgotten. */
  answered(stream: Stream): void
  /** Resets a stream whose client does not take its answer. */
  cutOff(stream: Stream): void
  /** Some held bytes are free again. */
  released(): void
}
