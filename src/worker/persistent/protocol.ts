import { Failure, messageOf } from '../../core/failure.ts'
import { blazeWorker } from '../../wire/proto.ts'

/** One unit of work for a persistent tool; Bazel's WorkRequest. */
export interface Work {
  readonly arguments: readonly string[]
  /** Paths relative to the tool's working directory; digests in hexadecimal. */
  readonly inputs: readonly { readonly path: string; readonly digest: string }[]
  /** 0 for a tool that does one thing at a time. */
  readonly requestId: number
  /** Relative to the working directory: where this request's paths are. */
  readonly sandboxDir?: string
}

/** Bazel's WorkResponse. */
export interface WorkAnswer {
  readonly exitCode: number
  readonly output: string
  readonly requestId: number
  readonly wasCancelled: boolean
}

/** One of the two encodings of requests and answers. */
export interface Protocol {
  encode(work: Work): Uint8Array
  encodeCancel(requestId: number): Uint8Array
  /**
   * Parses answers from pieces as they arrive.
   * @returns a function that takes a piece; it throws Failure 'precondition' for bytes that are not an answer, after
   *   which nothing more can be read
   */
  reader(onAnswer: (answer: WorkAnswer) => void): (piece: Uint8Array) => void
}

export type ProtocolName = 'proto' | 'json'

/** The most that a tool may answer for one action. */
const answerBytesMax = 16 * 1024 * 1024
const shownBytesMax = 400
/** A 32-bit length takes no more. */
const varintBytesMax = 5

export const protocols: Readonly<Record<ProtocolName, Protocol>> = {
  /** Each message prefixed with its length as a varint. */
  proto: {
    encode: (work) => delimited({ ...work, arguments: [...work.arguments], inputs: work.inputs.map(protoInput) }),
    encodeCancel: (requestId) => delimited({ requestId, cancel: true }),
    reader: protoReader,
  },
  /** Each message on a line, in protobuf's JSON mapping, which omits zero and empty values. */
  json: {
    encode: ({ requestId, sandboxDir, ...work }) =>
      line({
        arguments: work.arguments,
        inputs: work.inputs.map(({ path, digest }) => ({ path, digest: Buffer.from(digest).toString('base64') })),
        ...(requestId > 0 && { requestId }),
        ...(sandboxDir !== undefined && { sandboxDir }),
      }),
    encodeCancel: (requestId) => line({ ...(requestId > 0 && { requestId }), cancel: true }),
    reader: jsonReader,
  },
}

function protoInput({ path, digest }: Work['inputs'][number]) {
  return { path, digest: Buffer.from(digest) }
}

function delimited(message: blazeWorker.WorkRequest.$Properties): Uint8Array {
  const bytes = blazeWorker.WorkRequest.encode(message).finish()
  const length: number[] = []
  let rest = bytes.byteLength
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) length.push((rest % 128) + 128)
  return Buffer.concat([Buffer.from([...length, rest]), bytes])
}

function line(message: object): Uint8Array {
  return Buffer.from(`${JSON.stringify(message)}\n`)
}

function protoReader(onAnswer: (answer: WorkAnswer) => void): (piece: Uint8Array) => void {
  let pieces: Uint8Array[] = []
  let bytes = 0
  let needed = 1
  return (piece) => {
    pieces.push(piece)
    bytes += piece.byteLength
    while (bytes >= needed) {
      const whole = Buffer.concat(pieces)
      const header = lengthAt(whole)
      if (!header && whole.length >= varintBytesMax) throw noAnswer(whole)
      const end = header ? header.bytes + header.length : 0
      if (header && header.length > answerBytesMax) throw tooLarge(whole)
      const isWhole = header !== undefined && whole.length >= end
      if (header && isWhole) onAnswer(decoded(whole.subarray(header.bytes, end)))
      const rest = isWhole ? whole.subarray(end) : whole
      pieces = rest.length > 0 ? [rest] : []
      bytes = rest.length
      needed = isWhole ? 1 : Math.max(end, bytes + 1)
    }
  }
}

/** undefined: incomplete. */
function lengthAt(bytes: Uint8Array): { length: number; bytes: number } | undefined {
  let length = 0
  for (let at = 0; at < Math.min(bytes.length, varintBytesMax); at += 1) {
    const byte = bytes[at] ?? 0
    length += (byte & 0x7f) * 128 ** at
    if (byte < 0x80) return { length, bytes: at + 1 }
  }
  return undefined
}

function decoded(bytes: Uint8Array): WorkAnswer {
  try {
    const { exitCode, output, requestId, wasCancelled } = blazeWorker.WorkResponse.decode(bytes)
    return { exitCode, output, requestId, wasCancelled }
  } catch (cause) {
    throw noAnswer(bytes, cause)
  }
}

function jsonReader(onAnswer: (answer: WorkAnswer) => void): (piece: Uint8Array) => void {
  let pieces: Uint8Array[] = []
  let bytes = 0
  return (piece) => {
    let rest = piece
    for (let end = rest.indexOf(0x0a); end >= 0; end = rest.indexOf(0x0a)) {
      const text = Buffer.concat([...pieces, rest.subarray(0, end)])
      if (text.toString().trim() !== '') onAnswer(parsed(text))
      pieces = []
      bytes = 0
      rest = rest.subarray(end + 1)
    }
    if (rest.length > 0) pieces.push(rest)
    bytes += rest.length
    if (bytes > answerBytesMax) throw tooLarge(Buffer.concat(pieces))
  }
}

function parsed(text: Buffer): WorkAnswer {
  let value: unknown
  try {
    value = JSON.parse(text.toString())
  } catch (cause) {
    throw noAnswer(text, cause)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw noAnswer(text)
  const { exitCode = 0, output = '', requestId = 0, wasCancelled = false } = value as Record<string, unknown>
  if (!isInt32(exitCode) || !isInt32(requestId) || typeof output !== 'string' || typeof wasCancelled !== 'boolean')
    throw noAnswer(text)
  return { exitCode, output, requestId, wasCancelled }
}

/** As protocol buffers define it. */
function isInt32(value: unknown): value is number {
  return typeof value === 'number' && (value | 0) === value
}

function noAnswer(bytes: Uint8Array, cause?: unknown): Failure {
  const reason = cause === undefined ? '' : ` (${messageOf(cause)})`
  return new Failure('precondition', `it wrote something that is not a WorkResponse to its standard output${reason}`, {
    output: shown(bytes),
    cause,
  })
}

function tooLarge(bytes: Uint8Array): Failure {
  return new Failure(
    'precondition',
    `it started a WorkResponse of more than ${answerBytesMax} bytes, or wrote something else to its standard output`,
    { output: shown(bytes) },
  )
}

/** The beginning of it, without characters that would affect a terminal. */
function shown(bytes: Uint8Array): string {
  return Buffer.from(bytes.subarray(0, shownBytesMax))
    .toString()
    .replace(/[^\P{C}\n\t]/gu, '.')
}
