import { z } from 'zod'
import { Failure } from '../../core/failure.ts'

/** A request without its body takes a few hundred bytes. */
const lineBytesMax = 64 * 1024
/** Of ids, which the go command computes with SHA-256. */
const idBytesMax = 64
const lineEnd = 0x0a
const quote = 0x22

const id = z.base64().transform((text, context) => {
  const bytes = Buffer.from(text, 'base64')
  if (bytes.length === 0 || bytes.length > idBytesMax) {
    context.addIssue(`an id has from 1 to ${idBytesMax} bytes`)
    return z.NEVER
  }
  return bytes
})
const requestSchema = z.discriminatedUnion('Command', [
  z.object({ ID: z.int(), Command: z.literal('get'), ActionID: id }),
  z.object({
    ID: z.int(),
    Command: z.literal('put'),
    ActionID: id,
    OutputID: id,
    BodySize: z.int().nonnegative().default(0),
  }),
  z.object({ ID: z.int(), Command: z.literal('close') }),
])

/** A request of the go command to its cache program (cmd/go/internal/cacheprog). */
export type Request = z.infer<typeof requestSchema>

/** A request, and the body of a put in pieces; the unread part is skipped. */
export interface Incoming {
  readonly request: Request
  readonly body: AsyncIterable<Buffer>
}

/**
 * The go command's requests, in order. A body, a base64 string on a line of its own, is never held in memory as a
 * whole.
 * @throws Failure 'invalid' for what is not a request, and for a body whose length is not as announced
 */
export async function* readRequests(source: AsyncIterable<Buffer>): AsyncGenerator<Incoming, void> {
  const input = createInput(source)
  for (;;) {
    const line = await lineOf(input)
    if (line === undefined) return
    if (line.trim() === '') continue
    const request = requestOf(line)
    const body = bodyOf(input, request.Command === 'put' ? request.BodySize : 0)
    yield { request, body }
    // A generator resumes where its reader stopped: the next request follows the body.
    let skipped = await body.next()
    while (!skipped.done) skipped = await body.next()
  }
}

function requestOf(line: string): Request {
  try {
    return requestSchema.parse(JSON.parse(line))
  } catch (cause) {
    if (!(cause instanceof SyntaxError || cause instanceof z.ZodError)) throw cause
    throw new Failure('invalid', 'the input is not a request from the go command', {
      where: line.slice(0, 128),
      next: ['`native cacheprog` is started by the go command: GOCACHEPROG="native cacheprog" go build.'],
      cause,
    })
  }
}

/** Buffered input, read up to a delimiter. */
interface Input {
  /** The next bytes, at most up to the delimiter, which is dropped; `reached` if it was there. */
  upTo(delimiter: number): Promise<{ readonly bytes: Buffer; readonly reached: boolean } | undefined>
}

function createInput(source: AsyncIterable<Buffer>): Input {
  const chunks = source[Symbol.asyncIterator]()
  let rest: Buffer = Buffer.alloc(0)
  return {
    async upTo(delimiter) {
      if (rest.length === 0) {
        const next = await chunks.next()
        if (next.done) return undefined
        rest = next.value
      }
      const at = rest.indexOf(delimiter)
      const bytes = at === -1 ? rest : rest.subarray(0, at)
      rest = at === -1 ? Buffer.alloc(0) : rest.subarray(at + 1)
      return { bytes, reached: at !== -1 }
    },
  }
}

/** The next line without its terminator; undefined at the end of input. */
async function lineOf(input: Input): Promise<string | undefined> {
  const pieces: Buffer[] = []
  let length = 0
  for (;;) {
    const found = await input.upTo(lineEnd)
    if (!found) return length === 0 ? undefined : Buffer.concat(pieces).toString()
    length += found.bytes.length
    if (length > lineBytesMax)
      throw new Failure('invalid', `a request is longer than ${lineBytesMax} bytes`, {
        where: Buffer.concat(pieces).toString('utf8', 0, 128),
      })
    pieces.push(found.bytes)
    if (found.reached) return Buffer.concat(pieces).toString()
  }
}

async function* bodyOf(input: Input, size: number): AsyncGenerator<Buffer, void> {
  if (size === 0) return
  for (let opened = false; !opened; ) {
    const found = await input.upTo(quote)
    if (found?.bytes.toString().trim() !== '') throw wrongBody(size, 'it does not begin with a quote')
    opened = found.reached
  }
  let left = size
  let rest = ''
  for (let closed = false; !closed; ) {
    const found = await input.upTo(quote)
    if (!found) throw wrongBody(size, `it ends ${left} bytes before`)
    closed = found.reached
    const text = rest + found.bytes.toString('latin1')
    // Four characters encode three bytes.
    const whole = closed ? text.length : text.length - (text.length % 4)
    rest = text.slice(whole)
    const bytes = Buffer.from(text.slice(0, whole), 'base64')
    left -= bytes.length
    if (left < 0) throw wrongBody(size, 'it is longer')
    if (bytes.length > 0) yield bytes
  }
  if (left > 0) throw wrongBody(size, `it is ${left} bytes shorter`)
}

function wrongBody(size: number, what: string): Failure {
  return new Failure('invalid', `the body, which should have ${size} bytes, is not valid: ${what}`)
}
