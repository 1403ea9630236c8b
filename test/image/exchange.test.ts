import { randomBytes } from 'node:crypto'
import type { RequestListener, ServerResponse } from 'node:http'
import { describe, expect, it, onTestFinished } from 'vitest'
import { contentDigestOf } from '../../src/image/content-digest.ts'
import type { HttpRequest } from '../../src/image/media/registry/exchange.ts'
import { openHttp } from '../../src/image/media/registry/http.ts'
import { openRegistryReader, type RegistryReader } from '../../src/image/media/registry/registry.ts'
import { parseImageName } from '../../src/image/name.ts'
import { testImageContext } from '../fixture/image-context.ts'
import { type Served, serve } from '../fixture/registry/serve.ts'

const signal = new AbortController().signal

/** Asks a server as often as is said, one after the other, and does without what it answers. */
async function discarding(served: Served, method: HttpRequest['method'], times: number): Promise<void> {
  const http = openHttp({ tlsVerify: true, idleMsMax: 30_000, wholeMsMax: 30_000, env: {} })
  onTestFinished(http.close)
  for (let left = times; left > 0; left -= 1)
    (await http.exchange({ method, url: new URL(served.url), headers: {} }, signal)).discard()
}

describe('an answer that is done without', () => {
  it('to HEAD leaves its connection, however long the body would have been', async () => {
    const served = await serve((_, response) => response.writeHead(200, { 'content-length': 1e9 }).end())
    await discarding(served, 'HEAD', 20)
    // The second, while the first is still being given back.
    expect(served.sockets.length).toBeLessThanOrEqual(2)
  })

  it('that is short leaves its connection, whether it says its length or not', async () => {
    const served = await serve((_, response) => {
      response.write('not ')
      response.end('found')
    })
    await discarding(served, 'GET', 20)
    expect(served.sockets.length).toBeLessThanOrEqual(2)
  })

  it('that never ends and says no length ends its connection', async () => {
    let answered: ((response: ServerResponse) => void) | undefined
    const answering = new Promise<ServerResponse>((resolve) => {
      answered = resolve
    })
    const served = await serve((_, response) => {
      answered?.(response)
      const write = (): void => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536)));
        if (!response.destroyed) response.once('drain', write)
      }
      write()
    })
    await discarding(served, 'GET', 1)
    const response = await answering
    if (!response.destroyed) await new Promise((resolve) => response.once('close', resolve))
    expect(response.socket?.destroyed ?? true).toBe(true)
  })
})

/** Gives a body in pieces, so slowly that nothing is ever idle and the whole takes a second. */
const dripping =
  (body: Buffer): RequestListener =>
  (request, response) => {
    if (request.url === '/v2/') return void response.end()
    response.writeHead(200, {
      'content-length': body.length,
      'content-type': 'application/vnd.oci.image.manifest.v1+json',
    })
    const size = Math.ceil(body.length / 20)
    let sent = 0
    const timer = setInterval(() => {
      response.write(body.subarray(sent, sent + size))
      sent += size
      if (sent < body.length) return
      clearInterval(timer)
      response.end()
    }, 50)
    response.once('close', () => clearInterval(timer))
  }

async function reader({ host }: Served): Promise<RegistryReader> {
  const around = testImageContext('/nowhere', { retryTimes: 0 })
  const opened = await openRegistryReader(parseImageName(`${host}/app:1`), { ...around, wholeMsMax: 300 })
  onTestFinished(opened.close)
  return opened
}

describe('an answer that drips', () => {
  const blob = randomBytes(1000)
  const descriptor = { mediaType: 'a/b', digest: contentDigestOf(blob), size: blob.length }
  const tooLate = { name: 'Failure', kind: 'deadline', message: expect.stringContaining('0.3 s') }

  it('with a manifest is given up', async () => {
    await expect((await reader(await serve(dripping(blob)))).manifest()).rejects.toMatchObject(tooLate)
  })

  it('with a small blob is given up', async () => {
    const at = await reader(await serve(dripping(blob)))
    await expect(at.blobBytes(descriptor, 1e6)).rejects.toMatchObject(tooLate)
  })

  it('with its head is given up', async () => {
    const served = await serve((request, response) => {
      if (request.url === '/v2/') return void response.end()
      const { socket } = response
      const timer = setInterval(() => socket?.write('x'), 50)
      socket?.write('HTTP/1.1 200 OK\r\nx: ')
      socket?.once('close', () => clearInterval(timer))
    })
    await expect((await reader(served)).manifest()).rejects.toMatchObject(tooLate)
  })

  it('with a blob of an image comes whole', async () => {
    const pieces: Uint8Array[] = []
    for await (const piece of await (await reader(await serve(dripping(blob)))).blob(descriptor))
      pieces.push(Buffer.from(piece))
    expect(Buffer.concat(pieces).equals(blob)).toBe(true)
  })
})
