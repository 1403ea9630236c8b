import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createReceiveBuffer, type ReceiveBuffer } from '../../src/image/media/registry/receive-buffer.ts'

const stock = randomBytes(4 * 1024 * 1024)

/** A connection: brings bytes in reads of these sizes, over and over, while it may. */
function connection(size: number, reads: readonly number[]) {
  let at = 0
  let turn = 0
  let isReading = false
  let isPaused = false
  let receiveBuffer: ReceiveBuffer | undefined
  const read = (): void => {
    isReading = false
    if (!receiveBuffer || at === size) return
    const room = receiveBuffer.room()
    const bytes = Math.min(room.byteLength, reads[turn++ % reads.length] ?? 1)
    room.set(stock.subarray(at, at + bytes))
    at += bytes
    isPaused = !receiveBuffer.filled(bytes)
    if (!isPaused) go()
  }
  const go = (): void => {
    if (isReading) return
    isReading = true
    setImmediate(read)
  }
  receiveBuffer = createReceiveBuffer(size, () => {
    expect(isPaused).toBe(true)
    go()
  })
  go()
  return { receiveBuffer, came: () => at, isPaused: () => isPaused }
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

describe('memory that a body lands in', () => {
  it('gives what came, in order, and leaves a piece alone while somebody has it', async () => {
    const sizes = fc.integer({ min: 1, max: stock.length })
    const reads = fc.array(fc.integer({ min: 1, max: 600_000 }), { minLength: 1, maxLength: 5 })
    const holds = fc.array(fc.nat(4), { minLength: 1, maxLength: 5 })
    await fc.assert(
      fc.asyncProperty(sizes, reads, holds, async (size, list, turns) => {
        fc.pre(size / Math.min(...list) < 2000)
        const { receiveBuffer } = connection(size, list)
        let given = 0
        let count = 0
        for await (const piece of receiveBuffer.pieces()) {
          for (let left = turns[count++ % turns.length] ?? 0; left > 0; left -= 1) await turn()
          expect(stock.subarray(given, given + piece.byteLength).equals(piece)).toBe(true)
          given += piece.byteLength
        }
        expect(given).toBe(size)
      }),
      { numRuns: 60 },
    )
  })

  it('takes no more than two segments from a connection while nobody asks', async () => {
    const { receiveBuffer, came, isPaused } = connection(stock.length, [100_000])
    while (!isPaused()) await turn()
    expect(came()).toBeLessThanOrEqual(1024 * 1024)
    let given = 0
    for await (const piece of receiveBuffer.pieces()) given += piece.byteLength
    expect(given).toBe(stock.length)
  })

  it('gives what came before the connection broke, then says so', async () => {
    const receiveBuffer = createReceiveBuffer(1000, () => undefined)
    receiveBuffer.room().set(stock.subarray(0, 10))
    receiveBuffer.filled(10)
    receiveBuffer.fail(new Error('broken'))
    const got: Buffer[] = []
    const reading = (async () => {
      for await (const piece of receiveBuffer.pieces()) got.push(Buffer.from(piece))
    })()
    await expect(reading).rejects.toThrow('broken')
    expect(Buffer.concat(got).equals(stock.subarray(0, 10))).toBe(true)
  })

  it('never offers more room than the body has bytes left', () => {
    const receiveBuffer = createReceiveBuffer(100, () => undefined)
    expect(receiveBuffer.room().byteLength).toBe(100)
    expect(receiveBuffer.filled(60)).toBe(true)
    expect(receiveBuffer.room().byteLength).toBe(40)
    expect(receiveBuffer.filled(40)).toBe(false)
    expect(receiveBuffer.room().byteLength).toBe(0)
  })
})
