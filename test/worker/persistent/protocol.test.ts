import { describe, expect, test } from 'vitest'
import { blazeWorker } from '../../../src/wire/proto.ts'
import { type ProtocolName, protocols, type WorkAnswer } from '../../../src/worker/persistent/protocol.ts'

const answers: WorkAnswer[] = [
  { exitCode: 0, output: '', requestId: 0, wasCancelled: false },
  { exitCode: 3, output: 'é\n'.repeat(100_000), requestId: 7, wasCancelled: false },
  { exitCode: 0, output: 'x', requestId: 2 ** 31 - 1, wasCancelled: true },
]

function written(name: ProtocolName, answer: WorkAnswer): Buffer {
  if (name === 'json') return Buffer.from(`${JSON.stringify(answer)}\n`)
  const writer = blazeWorker.WorkResponse.encode(answer)
  return Buffer.from(writer.ldelim().finish())
}

function readAll(name: ProtocolName, pieces: Iterable<Uint8Array>): WorkAnswer[] {
  const found: WorkAnswer[] = []
  const read = protocols[name].reader((answer) => found.push(answer))
  for (const piece of pieces) read(piece)
  return found
}

function* cut(bytes: Buffer, size: number): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

describe.each(['proto', 'json'] as const)('%s', (name) => {
  test.each([1, 2, 3, 1000, 1e9])('answers are found in pieces of %d bytes', (size) => {
    const stream = Buffer.concat(answers.map((answer) => written(name, answer)))
    expect(readAll(name, cut(stream, size))).toEqual(answers)
  })

  test.each([
    'Hello, here is the tool\n',
    '\u0000'.repeat(2),
    '\u001b[31mred',
    '{"exitCode": "1"}\n',
    '{"exitCode": 2147483648}\n',
    '{"requestId": 1.5}\n',
    '[]\n',
    '12\n',
  ])('what is no answer is told as it is: %j', (text) => {
    const read = () => readAll(name, [Buffer.from(text), Buffer.alloc(20_000_000, 0xff)])
    expect(read).toThrow(/WorkResponse/)
  })

  test('an answer without end is given up', () => {
    const begun = name === 'json' ? Buffer.from('{') : Buffer.from([0xff, 0xff, 0xff, 0x7f])
    const endless = function* () {
      yield begun
      for (let piece = 0; piece < 1000; piece += 1) yield Buffer.alloc(100_000, 'x')
    }
    expect(() => readAll(name, endless())).toThrow(/more than 16777216 bytes/)
  })
})

const work = { arguments: ['-a', 'é'], inputs: [{ path: 'a/b', digest: 'ab01' }], requestId: 0 }

test('a request is a WorkRequest with its length in front, its digests as text', () => {
  const bytes = protocols.proto.encode({ ...work, requestId: 300, sandboxDir: '__sandbox/300' })
  const read = blazeWorker.WorkRequest.decode(bytes.subarray(1))
  expect(bytes[0]).toBe(bytes.length - 1)
  expect(read).toMatchObject({ arguments: ['-a', 'é'], requestId: 300, sandboxDir: '__sandbox/300', cancel: false })
  expect(Buffer.from(read.inputs[0]?.digest ?? []).toString()).toBe('ab01')
  const long = protocols.proto.encode({ ...work, arguments: ['x'.repeat(300)] })
  expect((long[0] ?? 0) - 128 + (long[1] ?? 0) * 128).toBe(long.length - 2)
})

test("in JSON it is one line in protobuf's mapping", () => {
  expect(Buffer.from(protocols.json.encode(work)).toString()).toBe(
    '{"arguments":["-a","é"],"inputs":[{"path":"a/b","digest":"YWIwMQ=="}]}\n',
  )
  expect(Buffer.from(protocols.json.encodeCancel(4)).toString()).toBe('{"requestId":4,"cancel":true}\n')
})
