import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { RequestListener } from 'node:http'
import type { Socket } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Exchange } from '../../src/image/media/registry/exchange.ts'
import { openHttp } from '../../src/image/media/registry/http.ts'
import { type Served, serve } from '../fixture/registry/serve.ts'

/** Larger than what goes by Node's parser. */
const blob = randomBytes(9 * 1024 * 1024 + 12_345)

interface Place extends Served {
  readonly exchange: Exchange
}

async function place(handler: RequestListener, options: { tls?: boolean; idleMsMax?: number } = {}): Promise<Place> {
  const served = await serve(handler, options)
  const { idleMsMax = 30_000 } = options
  const ca = served.certificate && (await readFile(served.certificate, 'utf8'))
  const http = openHttp({ tlsVerify: true, idleMsMax, wholeMsMax: 30_000, env: {}, ...(ca ? { ca } : {}) })
  onTestFinished(http.close)
  return { ...served, exchange: http.exchange }
}

const whole: RequestListener = (request, response) => {
  if (request.url === '/small') response.end('small')
  else response.writeHead(200, { 'content-length': blob.length }).end(request.method === 'HEAD' ? '' : blob)
}

const stop = new AbortController()
const get = ({ url, exchange }: Place, path = 'big', signal = stop.signal) =>
  exchange({ method: 'GET', url: new URL(path, url), headers: {} }, signal)

async function all(body: AsyncIterable<Uint8Array>, hold = () => turns(0)): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of body) {
    await hold()
    pieces.push(Buffer.from(piece))
  }
  return Buffer.concat(pieces)
}

/** Until a connection is gone; that it was reset is as good. */
const closed = (socket: Socket | undefined): Promise<void> =>
  new Promise((resolve) => (!socket || socket.destroyed ? resolve() : socket.once('close', () => resolve())))

const turns = async (count: number): Promise<void> => {
  for (let left = count; left > 0; left -= 1) await new Promise<void>((resolve) => setImmediate(resolve))
}

describe.each([
  { over: 'TCP', tls: false },
  { over: 'TLS', tls: true },
])('a large body over $over', ({ tls }) => {
  it('comes whole, in pieces that share three segments of memory', async () => {
    const at = await place(whole, { tls })
    const memory = new Set<ArrayBufferLike>()
    const got: Buffer[] = []
    for await (const piece of (await get(at)).body) {
      memory.add(piece.buffer)
      got.push(Buffer.from(piece))
    }
    expect(Buffer.concat(got).equals(blob)).toBe(true)
    // Three, and what came in one piece with the head.
    expect(memory.size).toBeLessThanOrEqual(4)
  })

  it('comes whole to somebody who asks late and takes long', async () => {
    const at = await place(whole, { tls })
    const answer = await get(at)
    await turns(200)
    expect((await all(answer.body, () => turns(20))).equals(blob)).toBe(true)
  })

  it('ends its connection, and small ones before it share theirs', async () => {
    const at = await place(whole, { tls })
    for (let count = 0; count < 3; count += 1) expect(String(await all((await get(at, 'small')).body))).toBe('small')
    expect(at.sockets.length).toBe(1)
    await all((await get(at)).body)
    expect(String(await all((await get(at, 'small')).body))).toBe('small')
    expect(at.sockets.length).toBe(2)
  })

  it('that is left early ends its connection', async () => {
    const at = await place(whole, { tls })
    for await (const _ of (await get(at)).body) break
    const [socket] = at.sockets
    await closed(socket)
    expect(socket?.destroyed).toBe(true)
  })

  it('that breaks off says so after what came', async () => {
    const at = await place(
      (_, response) => {
        response.writeHead(200, { 'content-length': blob.length })
        response.write(blob.subarray(0, 3_000_000), () => response.destroy())
      },
      { tls },
    )
    let came = 0
    const reading = (async () => {
      for await (const piece of (await get(at)).body) came += piece.byteLength
    })()
    await expect(reading).rejects.toMatchObject({ name: 'Failure', kind: 'unavailable' })
    expect(came).toBeGreaterThan(0)
  })
})

describe('a large body', () => {
  it('that stops coming ends after the time of silence', async () => {
    const at = await place(
      (_, response) => {
        response.writeHead(200, { 'content-length': blob.length })
        response.write(blob.subarray(0, 3_000_000))
      },
      { idleMsMax: 200 },
    )
    await expect(get(at).then(({ body }) => all(body))).rejects.toMatchObject({ name: 'Failure' })
  })

  it('ends when the work is given up', async () => {
    const at = await place((_, response) => {
      response.writeHead(200, { 'content-length': blob.length })
      response.write(blob.subarray(0, 3_000_000))
    })
    const work = new AbortController()
    const answer = await get(at, 'big', work.signal)
    const reading = all(answer.body)
    work.abort(new Error('given up'))
    await expect(reading).rejects.toBeDefined()
  })

  it('of which a part was asked for comes as that part', async () => {
    const part = blob.subarray(100)
    const at = await place((_, response) => {
      const range = `bytes 100-${blob.length - 1}/${blob.length}`
      response.writeHead(206, { 'content-length': part.length, 'content-range': range }).end(part)
    })
    const answer = await get(at)
    expect(answer.status).toBe(206)
    expect((await all(answer.body)).equals(part)).toBe(true)
  })

  it('in chunks, whose length nobody says, comes by the parser', async () => {
    const at = await place((_, response) => {
      response.write(blob)
      response.end()
    })
    expect((await all((await get(at)).body)).equals(blob)).toBe(true)
    expect(String(await all((await get(at)).body)).length).toBeGreaterThan(0)
    expect(at.sockets.length).toBe(1)
  })

  it('is not waited for after HEAD', async () => {
    const at = await place(whole)
    const answer = await at.exchange({ method: 'HEAD', url: new URL('big', at.url), headers: {} }, stop.signal)
    expect(answer.header('content-length')).toBe(String(blob.length))
    expect((await all(answer.body)).length).toBe(0)
  })

  it('of an error is left with its connection', async () => {
    const at = await place((_, response) => {
      response.writeHead(500, { 'content-length': blob.length }).end(blob)
    })
    const answer = await get(at)
    answer.discard()
    const [socket] = at.sockets
    await closed(socket)
    expect(answer.status).toBe(500)
  })
})
