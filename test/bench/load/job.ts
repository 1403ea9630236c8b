/** What the process that makes load is told, and what it answers. Sent over IPC, so plain data. */

/** What is asked. Fresh blobs are made by the generator, so that they need not be sent to it. */
export type Work =
  | {
      readonly kind: 'bodies'
      /** `package.Service/Method` */
      readonly method: string
      /** One message for each call. */
      readonly bodies: readonly Uint8Array[]
      /** The calls stop when all were made; otherwise they go round. */
      readonly once: boolean
      /** Looks into each answer: the last message must be an operation that is done, its exit code 0. */
      readonly executed?: boolean
    }
  /** ByteStream.Write of a blob of each size, no two alike. */
  | { readonly kind: 'writes'; readonly sizes: readonly number[] }
  /** BatchUpdateBlobs of so many blobs of so many bytes, no two alike. */
  | { readonly kind: 'updates'; readonly calls: number; readonly blobs: number; readonly size: number }

export interface Job {
  /** `host:port` of the server. */
  readonly address: string
  readonly connections: number
  /** Calls at once on each connection. */
  readonly inFlight: number
  /** No call starts later than this. */
  readonly msMax: number
  readonly work: Work
  /** The gRPC status that each call must end with. */
  readonly status: number
  /** What each answer holds at least, gRPC's prefixes included. */
  readonly answerBytesMin: number
}

export interface Outcome {
  readonly calls: number
  /** From the first call's start to the last one's end. */
  readonly ms: number
  /** Calls that ended otherwise than the job says, by what was wrong. */
  readonly wrong: Readonly<Record<string, number>>
  /** Bytes of blobs that were sent. */
  readonly sentBytes: number
  readonly p50Ms: number
  readonly p95Ms: number
  /** What the generator itself took: near `ms`, it was the limit. */
  readonly ownCpuMs: number
}

export type ToChild = { readonly prepare: Job } | { readonly go: true }
export type FromChild = { readonly ready: true } | { readonly outcome: Outcome } | { readonly error: string }
