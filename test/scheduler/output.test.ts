import { expect, test } from 'vitest'
import { createOutput, outputBytesMax } from '../../src/scheduler/output.ts'
import { Code, RpcError } from '../../src/wire/rpc.ts'
import { errorOf } from './worker.ts'

const { signal } = new AbortController()

async function text(pieces: AsyncIterable<Uint8Array>): Promise<string> {
  let all = ''
  for await (const piece of pieces) all += Buffer.from(piece).toString()
  return all
}

test('a follower gets what was there, what comes later, and then the end', async () => {
  const output = createOutput()
  output.append(Buffer.from('one '))
  const reading = text(output.read(0, 0, signal))
  output.append(Buffer.from('two '))
  await Promise.resolve()
  output.append(Buffer.from('three'))
  output.end()
  expect(await reading).toBe('one two three')
})

test('offset and limit cut; a limit beyond the end is not an error (rule 10)', async () => {
  const output = createOutput()
  output.append(Buffer.from('0123456789'))
  output.end()
  expect(await text(output.read(3, 4, signal))).toBe('3456')
  expect(await text(output.read(8, 100, signal))).toBe('89')
  expect(await text(output.read(10, 0, signal))).toBe('')
})

test('rule 10: an offset beyond the end of an ended stream is OUT_OF_RANGE', async () => {
  const output = createOutput()
  output.append(Buffer.from('0123456789'))
  output.end()
  expect((await errorOf(text(output.read(11, 0, signal)))).code).toBe(Code.OUT_OF_RANGE)
})

test('the newest bytes are kept, a bounded number; older ones are OUT_OF_RANGE', async () => {
  const output = createOutput()
  const line = Buffer.alloc(10_000, 'x')
  for (let i = 0; i < 500; i += 1) output.append(line)
  output.append(Buffer.alloc(5 * outputBytesMax, 'y'))
  output.append(Buffer.from('end'))
  output.end()
  expect(output.kept).toBeLessThanOrEqual(outputBytesMax)
  const total = 500 * 10_000 + 5 * outputBytesMax + 3
  expect(await text(output.read(total - 4, 0, signal))).toBe('yend')
  expect((await errorOf(text(output.read(0, 0, signal)))).code).toBe(Code.OUT_OF_RANGE)
})

test('followers learn that the attempt was lost, and may leave at any time', async () => {
  const output = createOutput()
  const controller = new AbortController()
  const left = errorOf(text(output.read(0, 0, controller.signal)))
  const stayed = errorOf(text(output.read(0, 0, signal)))
  controller.abort()
  expect((await left).code).toBe(Code.CANCELLED)
  output.end(new RpcError(Code.UNAVAILABLE, 'worker lost'))
  expect((await stayed).code).toBe(Code.UNAVAILABLE)
})
