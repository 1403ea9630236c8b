import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { computableFunctions, digestOf } from '../../../src/core/hash.ts'
import { re } from '../../../src/wire/proto.ts'
import { openRaw } from '../../wire/http1/raw.ts'
import { actions, blobOf, call, noise, wire } from '../fixture.ts'
import { inChunks, openHttpCache } from './fixture.ts'

const small = blobOf('a small blob')
const large = blobOf(noise(3 * 1024 * 1024 + 7))
const absentHash = 'ab'.repeat(32)

describe('/cas', () => {
  test.each([
    ['small', small],
    ['large', large],
    ['empty', blobOf('')],
  ])('a %s blob goes in and comes out, and is there for gRPC', async (_what, { digest, bytes }) => {
    const { ask, blobs } = await openHttpCache()
    if (bytes.length > 0) expect((await ask('GET', `/cas/${digest.hash}`)).status).toBe(404)
    expect((await ask('PUT', `/cas/${digest.hash}`, { body: bytes })).status).toBe(200)
    expect(await blobs.findMissing([digest])).toEqual([])
    const got = await ask('GET', `/a/b/cas/${digest.hash}`)
    expect(got.status).toBe(200)
    expect(got.field('content-length')).toBe(String(bytes.length))
    expect(got.body.equals(bytes)).toBe(true)
    const head = await ask('HEAD', `/cas/${digest.hash}`)
    expect([head.status, head.field('content-length'), head.body.length]).toEqual([200, String(bytes.length), 0])
    // Again, and it is thrown away.
    expect((await ask('PUT', `/cas/${digest.hash}`, { body: bytes })).status).toBe(200)
  })

  test.each([small, large])('a body of unknown length, and one that is packed', async ({ digest, bytes }) => {
    for (const [body, headers] of [
      [inChunks(bytes), {}],
      [zstdCompressSync(bytes), { 'content-encoding': 'zstd' }],
      [inChunks(zstdCompressSync(bytes)), { 'content-encoding': 'zstd' }],
    ] as const) {
      const { ask, blobs } = await openHttpCache()
      expect((await ask('PUT', `/cas/${digest.hash}`, { body, headers })).status).toBe(200)
      expect(await blobs.findMissing([digest])).toEqual([])
    }
  })

  test('a client that takes zstd gets it', async () => {
    const { ask, address, blobs } = await openHttpCache()
    const { digest, bytes } = blobOf(Buffer.alloc(2_000_000, 'compressible '))
    await blobs.put(digest, bytes)
    const client = await openRaw(address)
    client.send(`GET /cas/${digest.hash} HTTP/1.1\r\nhost: 127.0.0.1\r\naccept-encoding: gzip, zstd;q=0.5\r\n\r\n`)
    const packed = await client.answer()
    expect(packed.fields.get('content-encoding')).toBe('zstd')
    expect(packed.body.length).toBeLessThan(100_000)
    expect(zstdDecompressSync(packed.body).equals(bytes)).toBe(true)
    client.send(`GET /cas/${digest.hash} HTTP/1.1\r\nhost: 127.0.0.1\r\naccept-encoding: zstd;q=0\r\n\r\n`)
    expect((await client.answer()).fields.get('content-encoding')).toBeUndefined()
    client.socket.destroy()
    const part = await ask('GET', `/cas/${digest.hash}`, { headers: { range: 'bytes=0-9', 'accept-encoding': 'zstd' } })
    expect([part.status, part.body.toString()]).toEqual([206, 'compressib'])
  })

  test('ranges', async () => {
    const { ask, blobs } = await openHttpCache()
    await blobs.put(large.digest, large.bytes)
    const path = `/cas/${large.digest.hash}`
    const size = large.bytes.length
    const part = async (range: string) => ask('GET', path, { headers: { range } })
    for (const [range, from, to] of [
      ['bytes=0-0', 0, 1],
      ['bytes=1048570-2097160', 1048570, 2097161],
      [`bytes=${size - 5}-`, size - 5, size],
      ['bytes=-7', size - 7, size],
      [`bytes=5-${size * 2}`, 5, size],
    ] as const) {
      const answer = await part(range)
      expect([answer.status, answer.field('content-range')]).toEqual([206, `bytes ${from}-${to - 1}/${size}`])
      expect(answer.body.equals(large.bytes.subarray(from, to))).toBe(true)
    }
    for (const range of [`bytes=${size}-`, 'bytes=-0']) {
      const answer = await part(range)
      expect([answer.status, answer.field('content-range')]).toEqual([416, `bytes */${size}`])
    }
    for (const range of ['bytes=5-2', 'bytes=0-1,3-4', 'lines=1-2', 'bytes=-'])
      expect((await part(range)).status).toBe(200)
  })

  test.each([
    ['other bytes than its hash says', { body: 'something else' }, 400],
    ['other bytes, in chunks', { body: inChunks(noise(2_000_000)) }, 400],
    ['what is not zstd', { body: 'no zstd', headers: { 'content-encoding': 'zstd' } }, 400],
    ['another packing', { body: 'x', headers: { 'content-encoding': 'br' } }, 415],
  ])('%s are refused, and nothing is stored', async (_what, request, status) => {
    const { ask } = await openHttpCache()
    const answer = await ask('PUT', `/cas/${small.digest.hash}`, request)
    expect(answer.status).toBe(status)
    expect(answer.body.toString()).toMatch(/^[^\n]+\n$/)
    expect((await ask('GET', `/cas/${small.digest.hash}`)).status).toBe(404)
  })

  test('a blob beyond the bound is 413, whether its length is announced or not', async () => {
    const { ask } = await openHttpCache({ blobSizeMax: 1_000_000 })
    const { digest, bytes } = large
    expect((await ask('PUT', `/cas/${digest.hash}`, { body: bytes })).status).toBe(413)
    expect((await ask('PUT', `/cas/${digest.hash}`, { body: inChunks(bytes) })).status).toBe(413)
    const bomb = zstdCompressSync(Buffer.alloc(50_000_000))
    const headers = { 'content-encoding': 'zstd' }
    expect((await ask('PUT', `/cas/${digest.hash}`, { body: bomb, headers })).status).toBe(413)
  })

  test('a store that is full is 507', async () => {
    const { ask } = await openHttpCache({ capacity: 1_000_000 })
    expect((await ask('PUT', `/cas/${large.digest.hash}`, { body: large.bytes })).status).toBe(507)
  })

  test.each(['/cas/', '/cas/xyz', `/cas/${'AB'.repeat(32)}`, `/cas/${absentHash}0`])(
    '%s names no blob',
    async (path) => {
      const { ask } = await openHttpCache()
      expect((await ask('GET', path)).status).toBe(400)
      expect((await ask('PUT', path, { body: 'x' })).status).toBe(400)
    },
  )

  test.each(computableFunctions)('a %s blob and a result of its action, which the path tells apart', async (fn) => {
    const { ask, blobs, results } = await openHttpCache()
    const prefix = fn === 'blake3' ? '/a/b/blake3' : '/a/b'
    const blob = digestOf(fn, small.bytes)
    const other = fn === 'blake3' ? `/cas/${blob.hash}` : `/blake3/cas/${blob.hash}`
    expect((await ask('PUT', other, { body: small.bytes })).status).toBe(400)
    expect((await ask('PUT', `${prefix}/cas/${blob.hash}`, { body: small.bytes })).status).toBe(200)
    expect(await blobs.findMissing([blob])).toEqual([])
    expect((await ask('GET', `${prefix}/cas/${blob.hash}`)).body.equals(small.bytes)).toBe(true)
    expect((await ask('GET', other)).status).not.toBe(200)
    const result = re.ActionResult.encode({ outputFiles: [{ path: 'out', digest: wire(blob) }] }).finish()
    expect((await ask('PUT', `${prefix}/ac/${blob.hash}`, { body: result })).status).toBe(200)
    expect(await results.locate(fn, blob.hash)).toEqual(blob)
    expect((await ask('GET', `${prefix}/ac/${blob.hash}`)).body.equals(Buffer.from(result))).toBe(true)
  })

  test('an instance that there is not', async () => {
    const { ask } = await openHttpCache()
    expect((await ask('GET', `/strange/cas/${absentHash}`)).status).toBe(400)
  })
})

describe('/ac', () => {
  const action = blobOf('an action')
  const result = { outputFiles: [{ path: 'out', digest: wire(large.digest) }], exitCode: 0 }
  const encoded = Buffer.from(re.ActionResult.encode(result).finish())
  const path = `/ac/${action.digest.hash}`

  test('a result is served while all of its blobs are there', async () => {
    const { ask, blobs } = await openHttpCache()
    expect((await ask('GET', path)).status).toBe(404)
    expect((await ask('PUT', path, { body: encoded })).status).toBe(409)
    await blobs.put(large.digest, large.bytes)
    expect((await ask('PUT', path, { body: encoded })).status).toBe(200)
    const got = await ask('GET', path)
    expect([got.status, got.body.equals(encoded)]).toEqual([200, true])
    expect((await ask('HEAD', path)).field('content-length')).toBe(String(encoded.length))
    await blobs.delete(large.digest)
    expect((await ask('GET', path)).status).toBe(404)
  })

  test('what came over HTTP is there for gRPC and the other way round, if the action is known', async () => {
    const { ask, channel, blobs } = await openHttpCache()
    await blobs.put(action.digest, action.bytes)
    await blobs.put(large.digest, large.bytes)
    await ask('PUT', path, { body: encoded })
    const got = await call(
      channel,
      `${actions}/GetActionResult`,
      re.GetActionResultRequest,
      { actionDigest: wire(action.digest) },
      re.ActionResult,
    )
    expect(got.outputFiles[0]?.path).toBe('out')
    const other = blobOf('another action')
    await call(
      channel,
      `${actions}/UpdateActionResult`,
      re.UpdateActionResultRequest,
      { actionDigest: wire(other.digest), actionResult: result },
      re.ActionResult,
    )
    expect((await ask('GET', `/ac/${other.digest.hash}`)).body.equals(encoded)).toBe(true)
  })

  test('what is not an ActionResult is refused', async () => {
    const { ask } = await openHttpCache()
    expect((await ask('PUT', path, { body: Buffer.from([7, 7, 7]) })).status).toBe(400)
    expect((await ask('PUT', path, { body: Buffer.alloc(5_000_000) })).status).toBe(413)
    expect((await ask('GET', path)).status).toBe(404)
  })

  test('where clients may not write results, they may not over HTTP either', async () => {
    const { ask } = await openHttpCache({ updateEnabled: false })
    expect((await ask('PUT', path, { body: Buffer.alloc(0) })).status).toBe(403)
    expect((await ask('PUT', '/gradle/key', { body: 'x' })).status).toBe(403)
  })
})

describe('whoever asks', () => {
  test('for what there is not hears what there is', async () => {
    const { ask } = await openHttpCache()
    expect((await ask('GET', '/')).body.toString()).toContain('/gradle')
    expect((await ask('GET', '/wrong')).status).toBe(404)
    const wrong = await ask('DELETE', `/cas/${absentHash}`)
    expect([wrong.status, wrong.field('allow')]).toEqual([405, 'GET, HEAD, PUT'])
    expect((await ask('GET', `/ccache/${'x'.repeat(2000)}`)).status).toBe(414)
  })

  test('as a web page is refused', async () => {
    const { address } = await openHttpCache()
    const client = await openRaw(address)
    for (const fields of ['host: 127.0.0.1\r\norigin: http://evil.example', 'host: evil.example']) {
      client.send(`GET / HTTP/1.1\r\n${fields}\r\n\r\n`)
      expect((await client.answer()).status).toBe(403)
    }
    for (const host of ['localhost', 'localhost:1234', '[::1]:80', '192.168.0.1', 'cache.localhost']) {
      client.send(`GET / HTTP/1.1\r\nhost: ${host}\r\n\r\n`)
      expect((await client.answer()).status).toBe(200)
    }
    client.socket.destroy()
  })

  test('is counted, by tool, method and status', async () => {
    const { ask, metrics } = await openHttpCache()
    await ask('GET', `/cas/${absentHash}`)
    await ask('PUT', '/ccache/k', { body: 'x' })
    const text = await metrics.text()
    expect(text).toContain('native_cache_http_requests_total{tool="bazel",method="GET",status="404"} 1')
    expect(text).toContain('native_cache_http_requests_total{tool="ccache",method="PUT",status="200"} 1')
  })
})
