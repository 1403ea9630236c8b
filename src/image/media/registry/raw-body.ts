import type { Agent, AgentOptions, ClientRequestArgs, IncomingMessage } from 'node:http'
import type { OnReadOpts, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { Failure } from '../../../core/failure.ts'
import { createReceiveBuffer, type ReceiveBuffer } from './receive-buffer.ts'

/** Below this a body is not worth a connection, which cannot be used again behind one that was tapped. */
const tappedBytesMin = 8 * 1024 * 1024
/** Room for what Node's parser reads: answers' heads and small bodies. */
const parsedBytes = 16 * 1024

/** What a socket's bytes go through. */
interface Tap {
  /** Node's parser has a piece in hand; nothing is buffered before or behind it. */
  isParsing: boolean
  /** Set while the parser has the piece with the head: makes the receive buffer for what follows it. */
  begin: (() => ReceiveBuffer) | undefined
  receiveBuffer: ReceiveBuffer | undefined
  /** Bytes of the body that came in one piece with the head. */
  first: Uint8Array | null
}

const taps = new WeakMap<Duplex, Tap>()

type AgentClass = new (options: AgentOptions) => Agent
type Connected = (error: Error | null, socket: Duplex) => void

/**
 * An agent whose connections can give a large body past Node's parser, straight into memory that
 * is used again (`onread` of node:net). Node's own way makes a buffer for each 64 KiB and copies
 * it once more: half of the processor time of a pull. Heads, small bodies, chunked ones and
 * whatever comes through a proxy's tunnel go that way all the same.
 */
export function tappedAgent(Base: AgentClass, options: AgentOptions): Agent {
  class TappedAgent extends Base {
    override createConnection(args: ClientRequestArgs, connected?: Connected): Duplex | null | undefined {
      const tap: Tap = { isParsing: false, begin: undefined, receiveBuffer: undefined, first: null }
      const made = super.createConnection({ ...args, onread: reading(tap, () => made as Socket) } as Args, connected)
      if (made) taps.set(made, tap)
      return made
    }
  }
  return new TappedAgent(options)
}

type Args = ClientRequestArgs & { readonly onread: OnReadOpts }

function reading(tap: Tap, socketOf: () => Socket): OnReadOpts {
  const parsed = Buffer.allocUnsafeSlow(parsedBytes)
  return {
    buffer: () => tap.receiveBuffer?.room() ?? parsed,
    callback(count, bytes) {
      if (tap.receiveBuffer) return tap.receiveBuffer.filled(count)
      const socket = socketOf()
      tap.isParsing = socket.readableLength === 0
      // A copy: the parser may keep it, and the buffer is read into again.
      socket.push(Buffer.from(bytes.subarray(0, count)))
      tap.isParsing = false
      tap.receiveBuffer = tap.begin?.()
      return true
    },
  }
}

/**
 * Takes what follows of a body off the parser. Has to be called while the event 'response' is
 * told. The connection ends with the body, or when the body is left early.
 * @returns the body's pieces, or undefined for one that comes by the parser
 */
export function tapped(incoming: IncomingMessage, host: string): AsyncIterable<Uint8Array> | undefined {
  const { socket, headers, statusCode } = incoming
  const tap = taps.get(socket)
  const length = Number(headers['content-length'])
  const isPlain = (statusCode === 200 || statusCode === 206) && headers['transfer-encoding'] === undefined
  if (!tap?.isParsing || !isPlain || !(length >= tappedBytesMin)) return undefined
  tap.begin = () => {
    // Taken now: reading from the message later would start the socket that the receive buffer has paused.
    tap.first = incoming.read() as Uint8Array | null
    const receiveBuffer = createReceiveBuffer(length - (tap.first?.byteLength ?? 0), () => socket.resume())
    incoming.once('error', (error) => receiveBuffer.fail(error))
    incoming.once('close', () => receiveBuffer.fail(brokenOff(host)))
    return receiveBuffer
  }
  return pieces(incoming, tap)
}

/** What a body ends with that is not whole. */
export function brokenOff(host: string): Failure {
  return new Failure('unavailable', 'the connection broke in the middle of an answer', { where: host })
}

async function* pieces(incoming: IncomingMessage, tap: Tap): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    if (tap.first) yield tap.first
    yield* tap.receiveBuffer?.pieces() ?? []
  } finally {
    incoming.destroy()
  }
}
