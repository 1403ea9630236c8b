import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { re } from '../../src/wire/proto.ts'
import { Code } from '../../src/wire/rpc.ts'
import { blobName, blobOf, codeOf, failureOf, noise, readAll, wire } from '../cache/fixture.ts'
import { testFolder } from '../fixture/folder.ts'
import { selfSigned } from '../fixture/self-signed.ts'
import { openAssets, openFile, openOrigin, qualifiers, violationsOf } from './fixture.ts'

const small = blobOf('a small file')
const large = blobOf(noise(3 * 1024 * 1024 + 7))

function sri(fn: string, bytes: Uint8Array): string {
  return `${fn}-${createHash(fn).update(bytes).digest('base64')}`
}

describe('a download', () => {
  test.each([
    ['small', small],
    ['large', large],
    ['empty', blobOf('')],
  ])('of a %s file, with and without a checksum, is in the cache', async (_what, { digest, bytes }) => {
    const origin = await openFile(bytes)
    for (const checks of [{}, { 'checksum.sri': sri('sha256', bytes) }] as Record<string, string>[]) {
      const { fetchBlob, channel } = openAssets()
      const uri = `${origin.url}/file`
      const answer = await fetchBlob({ uris: [uri], qualifiers: qualifiers(checks) })
      expect(answer.status?.code ?? 0).toBe(Code.OK)
      expect(answer.uri).toBe(uri)
      expect(answer.digestFunction).toBe(1)
      expect(answer.blobDigest).toMatchObject(wire(digest))
      if (bytes.length > 0) expect((await readAll(channel, blobName(digest))).equals(bytes)).toBe(true)
    }
  })

  test('whose length is not announced', async () => {
    const origin = await openOrigin((_request, response) => {
      for (let at = 0; at < large.bytes.length; at += 100_000) response.write(large.bytes.subarray(at, at + 100_000))
      response.end()
    })
    for (const checks of [{}, { 'checksum.sri': sri('sha256', large.bytes) }] as Record<string, string>[]) {
      const { fetchBlob, blobs } = openAssets()
      const answer = await fetchBlob({ uris: [`${origin.url}/x`], qualifiers: qualifiers(checks) })
      expect(answer.blobDigest).toMatchObject(wire(large.digest))
      expect(await blobs.findMissing([large.digest])).toEqual([])
    }
  })

  test.each(['sha1', 'sha256', 'sha384', 'sha512'])('is held against %s, for digests of any function', async (fn) => {
    const origin = await openFile(large.bytes)
    const { fetchBlob } = openAssets()
    for (const [digestFunction, name] of [
      [0, 'sha256'],
      [2, 'sha1'],
      [6, 'sha512'],
    ] as const) {
      const request = {
        uris: [`${origin.url}/${digestFunction}`],
        qualifiers: qualifiers({ 'checksum.sri': sri(fn, large.bytes) }),
        digestFunction,
      }
      const { blobDigest, digestFunction: used } = await fetchBlob(request)
      expect(blobDigest?.hash).toBe(createHash(name).update(large.bytes).digest('hex'))
      expect(used).toBe(digestFunction || 1)
      const before = origin.asked.length
      expect((await fetchBlob(request)).blobDigest?.hash).toBe(blobDigest?.hash)
      expect(origin.asked.length).toBe(before)
    }
  })

  test('one of several checksums suffices, whatever stands between and behind them', async () => {
    const origin = await openFile(small.bytes)
    const { fetchBlob } = openAssets()
    const wrong = sri('sha256', Buffer.from('other'))
    const right = sri('sha512', small.bytes)
    const value = `\n ${wrong}\t${wrong}?a \r\n blake9-AAAA  ${right.replaceAll('+', '-').replaceAll('/', '_')}?x=y `
    const answer = await fetchBlob({ uris: [origin.url], qualifiers: qualifiers({ 'checksum.sri': value }) })
    expect(answer.blobDigest).toMatchObject(wire(small.digest))
  })

  test.each(['', 'sha256', 'sha256-', 'sha256-AAAA', 'sha256-!!!!', `sha384-${'A'.repeat(43)}=`, 'md5-AAAA', '?'])(
    'the checksum "%s" is INVALID_ARGUMENT',
    async (value) => {
      const { fetchBlob } = openAssets()
      const request = { uris: ['http://127.0.0.1:1/'], qualifiers: qualifiers({ 'checksum.sri': value }) }
      expect(await codeOf(fetchBlob(request))).toBe('INVALID_ARGUMENT')
    },
  )

  test.each([
    ['small', small],
    ['large', large],
  ])(
    'of a %s file with another checksum is ABORTED, and nothing is stored under it',
    async (_what, { digest, bytes }) => {
      const origin = await openFile(bytes)
      const { fetchBlob, blobs } = openAssets()
      const other = blobOf(noise(bytes.length, 2))
      for (const fn of ['sha256', 'sha512']) {
        const uris = [origin.url]
        const answer = await fetchBlob({ uris, qualifiers: qualifiers({ 'checksum.sri': sri(fn, other.bytes) }) })
        expect([answer.status?.code, answer.uri, answer.blobDigest]).toEqual([Code.ABORTED, origin.url, null])
        expect(answer.status?.message).toMatch(/checksum/)
      }
      expect(await blobs.findMissing([digest, other.digest])).toHaveLength(2)
    },
  )

  test('over HTTPS is trusted by a certificate of the configuration, and not without', async () => {
    const { certificate, key } = await selfSigned(await testFolder())
    const cert = readFileSync(certificate, 'latin1')
    const origin = await openOrigin((_request, response) => response.end(small.bytes), {
      cert,
      key: readFileSync(key, 'latin1'),
    })
    expect((await openAssets({ ca: cert }).fetchBlob({ uris: [origin.url] })).blobDigest).toMatchObject(
      wire(small.digest),
    )
    const answer = await openAssets().fetchBlob({ uris: [origin.url] })
    expect(answer.status?.code).toBe(Code.UNAVAILABLE)
    expect(answer.status?.message).toMatch(/self-signed/)
  })
})

describe('what the cache has', () => {
  const checksum = qualifiers({ 'checksum.sri': sri('sha256', small.bytes) })

  test('answers a request with a checksum, from whatever URI it came', async () => {
    const origin = await openFile(small.bytes)
    const { fetchBlob, blobs } = openAssets()
    await fetchBlob({ uris: [`${origin.url}/a`], qualifiers: checksum })
    origin.close()
    const answer = await fetchBlob({ uris: ['http://127.0.0.1:1/b'], qualifiers: checksum })
    expect(answer.blobDigest).toMatchObject(wire(small.digest))
    await blobs.delete(small.digest)
    expect((await fetchBlob({ uris: ['http://127.0.0.1:1/b'], qualifiers: checksum })).status?.code).toBe(
      Code.UNAVAILABLE,
    )
  })

  test('answers none without', async () => {
    const origin = await openFile(small.bytes)
    const { fetchBlob } = openAssets()
    for (const count of [1, 2, 3]) {
      await fetchBlob({ uris: [origin.url] })
      expect(origin.asked.length).toBe(count)
    }
  })

  test('is no answer under another canonical id', async () => {
    const origin = await openFile(small.bytes)
    const { fetchBlob } = openAssets()
    const request = (id: string) => ({
      uris: [origin.url],
      qualifiers: [...checksum, { name: 'bazel.canonical_id', value: id }],
    })
    for (const [id, count] of [
      ['a', 1],
      ['a', 1],
      ['b', 2],
      ['b', 2],
      ['a', 2],
    ] as const) {
      await fetchBlob(request(id))
      expect(origin.asked.length).toBe(count)
    }
  })

  test('is no answer where it is older than the client accepts', async () => {
    const origin = await openFile(small.bytes)
    const { fetchBlob, clock } = openAssets()
    const uris = [origin.url]
    clock.move(1_000_000)
    await fetchBlob({ uris, qualifiers: checksum })
    await fetchBlob({ uris, qualifiers: checksum, oldestContentAccepted: { seconds: 1_000 } })
    expect(origin.asked.length).toBe(1)
    await fetchBlob({ uris, qualifiers: checksum, oldestContentAccepted: { seconds: 1_001 } })
    expect(origin.asked.length).toBe(2)
    clock.move(1_000)
    await fetchBlob({ uris, qualifiers: checksum, oldestContentAccepted: { seconds: 1_001 } })
    expect(origin.asked.length).toBe(3)
    await fetchBlob({ uris, qualifiers: checksum, oldestContentAccepted: { seconds: 1_001 } })
    expect(origin.asked.length).toBe(3)
  })
})

describe('qualifiers', () => {
  const uris = ['http://127.0.0.1:1/x']

  test('that mean nothing are refused, each by its name', async () => {
    const { fetchBlob } = openAssets()
    const error = await failureOf(
      fetchBlob({ uris, qualifiers: qualifiers({ 'vcs.branch': 'main', 'checksum.sri': 'x', colour: 'blue' }) }),
    )
    expect(error.code).toBe(Code.INVALID_ARGUMENT)
    expect(violationsOf(error)).toEqual([
      { field: 'qualifiers.name', description: '"colour" not supported' },
      { field: 'qualifiers.name', description: '"vcs.branch" not supported' },
    ])
  })

  test.each([
    ['a name twice', [...qualifiers({ a: '1' }), ...qualifiers({ a: '2' })]],
    ['no name', qualifiers({ '': 'x' })],
    ['a repository', qualifiers({ resource_type: 'application/x-git' })],
    ['a header twice', qualifiers({ 'http_header:Accept': 'a', 'http_header:accept': 'b' })],
    ['a header with a line break', qualifiers({ 'http_header:accept': 'a\r\nhost: b' })],
    ['a header without a name', qualifiers({ 'http_header:': 'a' })],
    ['a header that the server sets', qualifiers({ 'http_header:Host': 'a' })],
    ['a part', qualifiers({ 'http_header:Range': 'bytes=0-1' })],
    ['a header of no URI', qualifiers({ 'http_header_url:1:Accept': 'a' })],
    ['a header of a URI without a place', qualifiers({ 'http_header_url:Accept': 'a' })],
  ])('%s is INVALID_ARGUMENT', async (_what, list) => {
    const { fetchBlob } = openAssets()
    expect(await codeOf(fetchBlob({ uris, qualifiers: list }))).toBe('INVALID_ARGUMENT')
  })

  test('header fields go to all URIs or to one, which counts more', async () => {
    const origin = await openOrigin((request, response) => {
      response.statusCode = request.url === '/a' ? 404 : 200
      response.end(small.bytes)
    })
    const { fetchBlob } = openAssets()
    const answer = await fetchBlob({
      uris: [`${origin.url}/a`, `${origin.url}/b`],
      qualifiers: qualifiers({
        'http_header:X-All': 'one,two',
        'http_header:Authorization': 'for all',
        'http_header_url:1:Authorization': 'for b',
      }),
    })
    expect(answer.uri).toBe(`${origin.url}/b`)
    expect(origin.asked.map(({ headers }) => [headers['x-all'], headers.authorization])).toEqual([
      ['one,two', 'for all'],
      ['one,two', 'for b'],
    ])
  })
})

describe('a request', () => {
  const uris = ['http://127.0.0.1:1/x']

  test.each([
    ['no URI', { uris: [] }],
    ['an empty URI', { uris: [''] }],
    ['too long a URI', { uris: [`http://a/${'x'.repeat(9_000)}`] }],
    ['too many URIs', { uris: Array.from({ length: 65 }, () => 'http://a/') }],
    ['an instance that there is not', { uris, instanceName: 'other' }],
    ['a digest function that is not computed', { uris, digestFunction: 3 }],
    ['a negative time-out', { uris, timeout: { seconds: -1 } }],
    ['a malformed time', { uris, oldestContentAccepted: { nanos: -1 } }],
  ])('with %s is INVALID_ARGUMENT', async (_what, request) => {
    expect(await codeOf(openAssets().fetchBlob(request))).toBe('INVALID_ARGUMENT')
  })

  test('for what was never pushed and cannot be fetched is NOT_FOUND, in the status', async () => {
    const { fetchBlob } = openAssets()
    for (const uri of ['urn:x:y', 'no uri', 'ftp://a/b', 'file:///etc/passwd', 'data:text/plain,x']) {
      const answer = await fetchBlob({ uris: [uri], qualifiers: qualifiers({ colour: 'blue' }) })
      expect([answer.status?.code, answer.uri]).toEqual([Code.NOT_FOUND, uri])
    }
  })

  test('asks nobody where fetching is switched off', async () => {
    const origin = await openFile(small.bytes)
    const answer = await openAssets({ fetchEnabled: false }).fetchBlob({ uris: [origin.url] })
    expect([answer.status?.code, origin.asked.length]).toEqual([Code.NOT_FOUND, 0])
  })
})

test.each([
  ['bazel', '7.7.1- (@non-git)', 'NOT_FOUND'],
  ['bazel', '8.1.1', 'NOT_FOUND'],
  ['bazel', '8.2.0', undefined],
  ['bazel', '10.0.0', undefined],
  ['bazel', '', 'NOT_FOUND'],
  ['other', '1.0', undefined],
])('an error of the origin is told %s %j so that it is not missed', async (toolName, toolVersion, code) => {
  const { fetchBlob } = openAssets()
  const metadata = re.RequestMetadata.encode({ toolDetails: { toolName, toolVersion } }).finish()
  const name = 'build.bazel.remote.execution.v2.requestmetadata-bin'
  const answer = fetchBlob({ uris: ['urn:x'] }, { metadata: { [name]: Buffer.from(metadata).toString('base64') } })
  if (code === undefined) expect((await answer).status?.code).toBe(Code.NOT_FOUND)
  else expect(await codeOf(answer)).toBe(code)
})
