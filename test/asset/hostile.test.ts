import { createHash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { describe, expect, test, vi } from 'vitest'
import { isPublic } from '../../src/asset/addresses.ts'
import { Code } from '../../src/wire/rpc.ts'
import { blobOf, codeOf, noise, wire } from '../cache/fixture.ts'
import { openAssets, openFile, openOrigin, qualifiers } from './fixture.ts'

const small = blobOf('a small file')
const large = blobOf(noise(3 * 1024 * 1024 + 7))
const sri = (bytes: Uint8Array) =>
  qualifiers({ 'checksum.sri': `sha256-${createHash('sha256').update(bytes).digest('base64')}` })

describe('addresses', () => {
  test.each([
    '0.0.0.0',
    '10.1.2.3',
    '100.64.0.1',
    '127.0.0.1',
    '127.255.255.254',
    '169.254.169.254',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '198.18.0.1',
    '224.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '::ffff:127.0.0.1',
    '::ffff:a00:1',
    '::127.0.0.1',
    '64:ff9b::10.0.0.1',
    '64:ff9b:1::1',
    '2002:7f00:1::',
    '2002:c0a8:101::1',
    '2001::1',
    '2001:db8::1',
    'fc00::1',
    'fd12:3456::1',
    'fe80::1',
    'fe80::1%lo',
    'fec0::1',
    'ff02::1',
    'localhost',
  ])('%s is not of the internet', (address) => {
    expect(isPublic(address)).toBe(false)
  })

  test.each(['1.1.1.1', '100.63.255.255', '172.32.0.1', '192.167.1.1', '2606:4700::1111', '64:ff9b::1.1.1.1'])(
    '%s is',
    (address) => {
      expect(isPublic(address)).toBe(true)
    },
  )

  test.each([
    'http://127.0.0.1/',
    'http://127.1/',
    'http://2130706433/',
    'http://0x7f.0.0.1/',
    'http://0177.0.0.1/',
    'http://[::1]/',
    'http://[::ffff:127.0.0.1]/',
    'http://169.254.169.254/latest/meta-data/',
    'http://0/',
    'http://user@10.0.0.1/',
  ])('%s is PERMISSION_DENIED where nothing is allowed', async (uri) => {
    const answer = await openAssets({ allow: [] }).fetchBlob({ uris: [uri] })
    expect(answer.status?.code).toBe(Code.PERMISSION_DENIED)
    expect(answer.status?.message).toMatch(/asset: allow/)
  })

  test('a name is judged by the address that the connection goes to', async () => {
    const origin = await openFile(small.bytes)
    const named = origin.url.replace('127.0.0.1', 'localhost')
    expect((await openAssets({ allow: [] }).fetchBlob({ uris: [named] })).status?.code).toBe(Code.PERMISSION_DENIED)
    expect(origin.asked).toHaveLength(0)
    for (const allow of [['localhost'], ['127.0.0.0/8', '::1']])
      expect((await openAssets({ allow }).fetchBlob({ uris: [named] })).blobDigest).toMatchObject(wire(small.digest))
  })
})

describe('a redirect', () => {
  test('is followed, and header fields that may be secret stay behind', async () => {
    const second = await openFile(small.bytes)
    const first = await openOrigin((request, response) => {
      response.writeHead(302, { location: request.url === '/a' ? '/b' : `${second.url}/c` }).end()
    })
    const { fetchBlob } = openAssets()
    const answer = await fetchBlob({
      uris: [`${first.url}/a`],
      qualifiers: qualifiers({ 'http_header:Authorization': 'secret', 'http_header:Accept': 'text/plain' }),
    })
    expect([answer.uri, answer.blobDigest?.hash]).toEqual([`${first.url}/a`, small.digest.hash])
    expect(first.asked.map(({ url, headers }) => [url, headers.authorization])).toEqual([
      ['/a', 'secret'],
      ['/b', 'secret'],
    ])
    expect(second.asked.map(({ headers }) => [headers.authorization, headers.accept])).toEqual([
      [undefined, 'text/plain'],
    ])
  })

  test.each([
    ['to a private network', 'http://10.0.0.1/', Code.PERMISSION_DENIED],
    ['to the metadata of a cloud', 'http://169.254.169.254/', Code.PERMISSION_DENIED],
    ['to a file', 'file:///etc/passwd', Code.ABORTED],
    ['to nowhere', 'http://', Code.ABORTED],
    ['to itself', '/', Code.ABORTED],
  ])('%s is no way in', async (_what, location, code) => {
    const origin = await openOrigin((_request, response) => response.writeHead(301, { location }).end())
    const answer = await openAssets().fetchBlob({ uris: [origin.url], qualifiers: sri(small.bytes) })
    expect(answer.status?.code).toBe(code)
    expect(origin.asked.length).toBeLessThanOrEqual(11)
  })

  test('without a place is an error', async () => {
    const origin = await openOrigin((_request, response) => response.writeHead(302).end())
    expect((await openAssets().fetchBlob({ uris: [origin.url] })).status?.code).toBe(Code.ABORTED)
  })
})

describe('an origin', () => {
  test.each([
    [404, Code.NOT_FOUND],
    [410, Code.NOT_FOUND],
    [401, Code.PERMISSION_DENIED],
    [403, Code.PERMISSION_DENIED],
    [429, Code.RESOURCE_EXHAUSTED],
    [500, Code.UNAVAILABLE],
    [503, Code.UNAVAILABLE],
    [418, Code.ABORTED],
    [204, Code.ABORTED],
    [206, Code.ABORTED],
  ])('that answers %i is told as %i', async (status, code) => {
    const origin = await openOrigin((_request, response) => response.writeHead(status).end())
    const answer = await openAssets().fetchBlob({ uris: [origin.url] })
    expect(answer.status?.code).toBe(code)
    expect(answer.status?.message).toContain(String(status))
  })

  test('that does not have it is followed by the next one', async () => {
    const absent = await openOrigin((_request, response) => response.writeHead(404).end())
    const wrong = await openFile(noise(2_000_000))
    const right = await openFile(small.bytes)
    const { fetchBlob } = openAssets()
    const uris = [`${absent.url}/a`, 'http://127.0.0.1:1/', 'urn:x:y', `${wrong.url}/b`]
    const answer = await fetchBlob({ uris: [...uris, `${right.url}/c`], qualifiers: sri(small.bytes) })
    expect([answer.uri, answer.blobDigest?.hash]).toEqual([`${right.url}/c`, small.digest.hash])
    const failed = await openAssets().fetchBlob({ uris: [...uris, `${absent.url}/d`], qualifiers: sri(small.bytes) })
    expect([failed.status?.code, failed.uri]).toEqual([Code.ABORTED, `${wrong.url}/b`])
    for (const word of ['404', 'nothing listens', 'checksum']) expect(failed.status?.message).toContain(word)
  })

  test.each([
    ['announces too much', { 'content-length': '100000000' }],
    ['never ends', {}],
  ])('that %s is RESOURCE_EXHAUSTED', async (_what, headers) => {
    const piece = noise(64 * 1024)
    let open = 0
    const origin = await openOrigin((_request, response) => {
      open += 1
      response.on('close', () => {
        open -= 1
      })
      response.writeHead(200, headers)
      const more = () => {
        while (!response.destroyed && response.write(piece));
      }
      response.on('drain', more)
      more()
    })
    const { fetchBlob } = openAssets({ blobSizeMax: 4_000_000 })
    for (const checks of [[], sri(large.bytes)]) {
      const answer = await fetchBlob({ uris: [origin.url], qualifiers: checks })
      expect(answer.status?.code).toBe(Code.RESOURCE_EXHAUSTED)
      expect(answer.status?.message).toContain('4000000')
    }
    await vi.waitFor(() => expect(open).toBe(0), 20_000)
  })

  test('that breaks off is UNAVAILABLE, whether it had announced more or not', async () => {
    for (const headers of [{ 'content-length': '5000000' }, {}] as Record<string, string>[]) {
      const origin = await openOrigin((_request, response) => {
        response.writeHead(200, headers)
        response.write(large.bytes, () => response.destroy())
      })
      const { fetchBlob, blobs } = openAssets()
      for (const checks of [[], sri(large.bytes)]) {
        const answer = await fetchBlob({ uris: [origin.url], qualifiers: checks })
        expect(answer.status?.code).toBe(Code.UNAVAILABLE)
      }
      expect(await blobs.findMissing([large.digest])).toHaveLength(1)
    }
  })

  test('with endless header fields is ABORTED', async () => {
    const origin = await openOrigin((_request, response) => {
      response.writeHead(200, { 'x-long': 'x'.repeat(100_000) }).end(small.bytes)
    })
    expect((await openAssets().fetchBlob({ uris: [origin.url] })).status?.code).toBe(Code.ABORTED)
  })

  test('that packs the content although it was asked not to is only taken with a checksum', async () => {
    const origin = await openOrigin((_request, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(small.bytes)
    })
    const { fetchBlob } = openAssets()
    expect((await fetchBlob({ uris: [origin.url] })).status?.code).toBe(Code.ABORTED)
    expect((await fetchBlob({ uris: [origin.url], qualifiers: sri(small.bytes) })).blobDigest?.hash).toBe(
      small.digest.hash,
    )
  })
})

describe('time', () => {
  /** An origin that answers when it is told to. */
  async function slowOrigin() {
    const go = Promise.withResolvers<void>()
    const gone: string[] = []
    const origin = await openOrigin((request, response) => {
      response.on('close', () => gone.push(request.url ?? ''))
      response.write('a small ')
      void go.promise.then(() => response.end('file'))
    })
    return { origin, go: go.resolve, gone }
  }

  test('that is over is DEADLINE_EXCEEDED in the status, and ends the download', async () => {
    const { origin, gone } = await slowOrigin()
    const { fetchBlob, clock } = openAssets()
    const waits = fetchBlob({ uris: [origin.url], timeout: { seconds: 5 } })
    await vi.waitFor(() => expect(origin.asked).toHaveLength(1), 20_000)
    clock.move(4_999)
    expect(gone).toEqual([])
    clock.move(1)
    expect((await waits).status?.code).toBe(Code.DEADLINE_EXCEEDED)
    await vi.waitFor(() => expect(gone).toHaveLength(1), 20_000)
  })

  test('those who want the same wait for one download, each for its own time', async () => {
    const { origin, go } = await slowOrigin()
    const { fetchBlob, clock } = openAssets()
    const ask = (seconds: number) => fetchBlob({ uris: [origin.url], timeout: { seconds } })
    const impatient = ask(1)
    await vi.waitFor(() => expect(origin.asked).toHaveLength(1), 20_000)
    const patient = Array.from({ length: 5 }, () => ask(100))
    // What happens in memory alone has happened by the next turn of the event loop: all have joined.
    await setImmediate()
    clock.move(2_000)
    expect((await impatient).status?.code).toBe(Code.DEADLINE_EXCEEDED)
    go()
    for (const each of patient) expect((await each).blobDigest).toMatchObject(wire(small.digest))
    expect(origin.asked).toHaveLength(1)
  })

  test('a download without a checksum that began before what the client accepts is not joined', async () => {
    const { origin, go } = await slowOrigin()
    const { fetchBlob } = openAssets()
    const first = fetchBlob({ uris: [origin.url] })
    await vi.waitFor(() => expect(origin.asked).toHaveLength(1), 20_000)
    const second = fetchBlob({ uris: [origin.url], oldestContentAccepted: { seconds: 3_600 } })
    await vi.waitFor(() => expect(origin.asked).toHaveLength(2), 20_000)
    go()
    expect((await Promise.all([first, second])).map(({ blobDigest }) => blobDigest?.hash)).toEqual([
      small.digest.hash,
      small.digest.hash,
    ])
  })

  test('a download goes on after the call, and the next call finds it', async () => {
    const { origin, go } = await slowOrigin()
    const { fetchBlob } = openAssets()
    const request = { uris: [origin.url], qualifiers: sri(small.bytes) }
    const late = codeOf(fetchBlob(request, { timeoutMs: 50 }))
    expect(await late).toBe('DEADLINE_EXCEEDED')
    const next = fetchBlob(request)
    go()
    expect((await next).blobDigest).toMatchObject(wire(small.digest))
    expect(origin.asked).toHaveLength(1)
  })

  test('a download that nobody waits for any more ends', async () => {
    const { origin, gone } = await slowOrigin()
    const { fetchBlob } = openAssets()
    const [one, other] = [new AbortController(), new AbortController()]
    const calls = [one, other].map(({ signal }) => codeOf(fetchBlob({ uris: [origin.url] }, { signal })))
    await vi.waitFor(() => expect(origin.asked).toHaveLength(1), 20_000)
    one.abort()
    expect(await calls[0]).toBe('CANCELLED')
    expect(gone).toEqual([])
    other.abort()
    expect(await calls[1]).toBe('CANCELLED')
    await vi.waitFor(() => expect(gone).toHaveLength(1), 20_000)
  })
})

test('closing ends all downloads', async () => {
  const origin = await openOrigin((_request, response) => response.write('never more'))
  const { fetchBlob, fetchDirectory, closeAssets } = openAssets()
  const calls = [codeOf(fetchBlob({ uris: [origin.url] })), codeOf(fetchDirectory({ uris: [`${origin.url}/x`] }))]
  await vi.waitFor(() => expect(origin.asked).toHaveLength(2), 20_000)
  await closeAssets()
  expect(await Promise.all(calls)).toEqual(['UNAVAILABLE', 'UNAVAILABLE'])
})

test('what came of requests is counted', async () => {
  const origin = await openFile(small.bytes)
  const { fetchBlob, metrics } = openAssets()
  for (const [uri, checks] of [
    [origin.url, sri(small.bytes)],
    [origin.url, sri(small.bytes)],
    ['urn:x', []],
  ] as const)
    await fetchBlob({ uris: [uri], qualifiers: [...checks] })
  await codeOf(fetchBlob({ uris: [] }))
  const text = await metrics.text()
  for (const result of ['fetched', 'cached', 'failed', 'refused'])
    expect(text).toContain(`native_asset_fetches_total{kind="blob",result="${result}"} 1`)
  expect(text).toContain(`native_asset_downloaded_bytes_total ${small.bytes.length}`)
  expect(text).toContain('native_asset_downloads 0')
})
