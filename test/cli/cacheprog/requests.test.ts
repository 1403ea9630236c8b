import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Request, readRequests } from '../../../src/cli/cacheprog/requests.ts'

const id = (fill: number) => Buffer.alloc(32, fill).toString('base64')
const put = (number: number, body: Buffer) =>
  `${JSON.stringify({ ID: number, Command: 'put', ActionID: id(1), OutputID: id(2), BodySize: body.length })}\n\n` +
  (body.length > 0 ? `"${body.toString('base64')}"\n` : '')
const get = (number: number) => `${JSON.stringify({ ID: number, Command: 'get', ActionID: id(1) })}\n\n`

async function* inPieces(text: string, length: number): AsyncGenerator<Buffer> {
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length)
}

async function readAll(text: string, pieceLength = text.length): Promise<{ request: Request; body: Buffer }[]> {
  const all = []
  for await (const { request, body } of readRequests(inPieces(text, pieceLength))) {
    const pieces: Buffer[] = []
    for await (const piece of body) pieces.push(piece)
    all.push({ request, body: Buffer.concat(pieces) })
  }
  return all
}

test('requests and bodies come through, however the pipe cuts them', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 5 }),
      fc.integer({ min: 1, max: 40 }),
      async (bodies, pieceLength) => {
        const text = bodies.map((body, at) => put(at + 1, Buffer.from(body)) + get(at + 100)).join('')
        const all = await readAll(text, pieceLength)
        expect(all.map(({ request }) => request.ID)).toEqual(bodies.flatMap((_, at) => [at + 1, at + 100]))
        expect(all.filter(({ request }) => request.Command === 'put').map(({ body }) => body)).toEqual(
          bodies.map((body) => Buffer.from(body)),
        )
      },
    ),
  )
})

test('a body that nobody reads is passed over', async () => {
  const numbers: number[] = []
  for await (const { request } of readRequests(inPieces(put(1, Buffer.alloc(1000, 7)) + get(2), 10)))
    numbers.push(request.ID)
  expect(numbers).toEqual([1, 2])
})

describe('what is not a request is told', () => {
  test.each([
    ['hello\n', /not a request from the go command/],
    ['{"ID":1,"Command":"erase"}\n', /not a request/],
    ['{"ID":1,"Command":"get"}\n', /not a request/],
    ['{"ID":1,"Command":"get","ActionID":""}\n', /not a request/],
    [`{"ID":1,"Command":"get","ActionID":"${Buffer.alloc(65).toString('base64')}"}\n`, /not a request/],
    [`{"ID":1,"Command":"${'x'.repeat(70_000)}"}\n`, /longer than 65536 bytes/],
    [put(1, Buffer.alloc(10)).replace('"BodySize":10', '"BodySize":11'), /1 bytes shorter/],
    [put(1, Buffer.alloc(10)).replace('"BodySize":10', '"BodySize":9'), /longer/],
    [put(1, Buffer.alloc(10)).slice(0, -4), /it ends/],
    [`${put(1, Buffer.alloc(0)).replace('"BodySize":0', '"BodySize":3')}{}\n`, /does not begin with a quote/],
  ])('%j', async (text, message) => {
    await expect(readAll(text)).rejects.toMatchObject({ kind: 'invalid', message: expect.stringMatching(message) })
  })
})
