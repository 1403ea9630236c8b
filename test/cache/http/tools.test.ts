import { describe, expect, test } from 'vitest'
import { digestOf } from '../../../src/core/hash.ts'
import { re } from '../../../src/wire/proto.ts'
import { actions, blobOf, call, codeOf, noise } from '../fixture.ts'
import { inChunks, openHttpCache } from './fixture.ts'

const sizes = [0, 1, 1024 * 1024, 1024 * 1024 + 1, 3_500_000]

describe.each([
  '/ccache/ab/cdef',
  '/ccache/ac/0123',
  '/gradle/0123',
  '/sccache/a/b/c',
  '/v1/cache/0123',
  '/v8/artifacts/0123',
])('an object under %s', (path) => {
  test.each(sizes)('of %i bytes goes in and comes out, whole and in parts', async (size) => {
    const { ask } = await openHttpCache()
    const bytes = noise(size)
    expect((await ask('GET', path)).status).toBe(404)
    expect((await ask('HEAD', path)).status).toBe(404)
    expect((await ask('PUT', path, { body: bytes })).status).toBeLessThan(300)
    expect((await ask('GET', path)).body.equals(bytes)).toBe(true)
    expect((await ask('HEAD', path)).field('content-length')).toBe(String(size))
    if (size < 100) return
    const part = await ask('GET', path, { headers: { range: `bytes=${size - 100}-${size - 50}` } })
    expect([part.status, part.body.equals(bytes.subarray(size - 100, size - 49))]).toEqual([206, true])
  })

  test('whose length nobody announced', async () => {
    const { ask } = await openHttpCache()
    const bytes = noise(2_500_000)
    expect((await ask('PUT', path, { body: inChunks(bytes) })).status).toBeLessThan(300)
    expect((await ask('GET', path)).body.equals(bytes)).toBe(true)
  })

  test('of which a part was evicted is absent', async () => {
    const { ask, blobs } = await openHttpCache()
    const bytes = noise(2_500_000)
    await ask('PUT', path, { body: bytes })
    await blobs.delete(digestOf('sha256', bytes.subarray(1024 * 1024, 2 * 1024 * 1024)))
    expect((await ask('GET', path)).status).toBe(404)
  })
})

describe('namespaces', () => {
  test('no tool reaches what is stored under the same key of another, or by gRPC', async () => {
    const { ask, channel } = await openHttpCache()
    const { hash } = digestOf('sha256', Buffer.from('ccache\0ac/key'))
    await ask('PUT', '/ccache/ac/key', { body: 'object' })
    for (const path of ['/gradle/ac/key', '/sccache/ac/key', '/ac/key', `/ac/${hash}`])
      expect((await ask('GET', path)).status, path).toBeGreaterThanOrEqual(400)
    const get = (sizeBytes: number) =>
      call(
        channel,
        `${actions}/GetActionResult`,
        re.GetActionResultRequest,
        { actionDigest: { hash, sizeBytes } },
        re.ActionResult,
      )
    expect(await codeOf(get(0))).toBe('NOT_FOUND')
    // Where the entry lies, which no client can name.
    expect(await codeOf(get(2 ** 52))).toBe('INVALID_ARGUMENT')
  })

  test('a blob is not reached as an object, nor an object as an action result', async () => {
    const { ask } = await openHttpCache()
    const { digest, bytes } = blobOf('a blob')
    await ask('PUT', `/cas/${digest.hash}`, { body: bytes })
    for (const path of [`/ccache/cas/${digest.hash}`, `/gradle/${digest.hash}`, `/v1/cache/${digest.hash}`])
      expect((await ask('GET', path)).status).toBe(404)
  })

  test('teams of Turborepo are apart', async () => {
    const { ask } = await openHttpCache()
    await ask('PUT', '/v8/artifacts/1?teamId=a', { body: 'of a' })
    expect((await ask('GET', '/v8/artifacts/1?slug=b')).status).toBe(404)
    expect((await ask('GET', '/v8/artifacts/1')).status).toBe(404)
    expect((await ask('GET', '/v8/artifacts/1?teamId=a')).body.toString()).toBe('of a')
  })
})

describe('what each wants beside', () => {
  test('ccache and sccache delete', async () => {
    const { ask } = await openHttpCache()
    for (const path of ['/ccache/k', '/sccache/k']) {
      await ask('PUT', path, { body: 'x' })
      expect((await ask('DELETE', path)).status).toBe(204)
      expect((await ask('DELETE', path)).status).toBe(404)
      expect((await ask('GET', path)).status).toBe(404)
    }
    expect((await ask('DELETE', '/gradle/k')).status).toBe(405)
  })

  test('an object of ccache and Gradle is replaced, one of Nx never', async () => {
    const { ask } = await openHttpCache()
    for (const [path, status, body] of [
      ['/ccache/k', 200, 'second'],
      ['/gradle/k', 200, 'second'],
      ['/v1/cache/k', 409, 'first'],
    ] as const) {
      await ask('PUT', path, { body: 'first' })
      expect((await ask('PUT', path, { body: 'second' })).status).toBe(status)
      expect((await ask('GET', path)).body.toString()).toBe(body)
    }
  })

  test('Turborepo gets duration and tag back, and hears that the cache is there', async () => {
    const { ask } = await openHttpCache()
    const headers = { 'x-artifact-duration': '42', 'x-artifact-tag': 'c2lnbmF0dXJl' }
    expect((await ask('PUT', '/v8/artifacts/1', { body: 'tar', headers })).status).toBe(202)
    for (const method of ['GET', 'HEAD']) {
      const got = await ask(method, '/v8/artifacts/1')
      expect([got.field('x-artifact-duration'), got.field('x-artifact-tag')]).toEqual(['42', 'c2lnbmF0dXJl'])
    }
    expect((await ask('GET', '/v8/artifacts/status')).body.toString()).toBe('{"status":"enabled"}')
    expect((await ask('POST', '/v8/artifacts/events', { body: '[]' })).status).toBe(200)
    expect((await ask('OPTIONS', '/v8/artifacts/1')).status).toBe(204)
    expect((await ask('POST', '/v8/artifacts/1', { body: 'x' })).status).toBe(405)
  })

  test('sccache finds folders, and files only where they are', async () => {
    const { ask } = await openHttpCache()
    expect((await ask('PROPFIND', '/sccache/')).body.toString()).toContain('<D:collection/>')
    expect((await ask('PROPFIND', '/sccache/a/b/')).status).toBe(207)
    expect((await ask('MKCOL', '/sccache/a/')).status).toBe(201)
    expect((await ask('PROPFIND', '/sccache/a/b')).status).toBe(404)
    await ask('PUT', '/sccache/a/b', { body: 'four' })
    expect((await ask('PROPFIND', '/sccache/a/b')).body.toString()).toContain('<D:getcontentlength>4<')
  })
})
