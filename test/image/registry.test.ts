import { randomBytes } from 'node:crypto'
import { readdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Failure } from '../../src/core/failure.ts'
import { contentDigestOf } from '../../src/image/content-digest.ts'
import { type CopyOptions, copyImage } from '../../src/image/copy.ts'
import { openRegistryReader } from '../../src/image/media/registry/registry.ts'
import { parseImageName } from '../../src/image/name.ts'
import { type ImageContext, openDestination, openSource } from '../../src/image/open.ts'
import { parseReference } from '../../src/image/reference.ts'
import { validateImage } from '../../src/image/validate.ts'
import { testFolder } from '../fixture/folder.ts'
import { type FixtureOptions, type ImageFixture, makeImage, sha256, writeLayout } from '../fixture/image.ts'
import { hastyClock, testImageContext } from '../fixture/image-context.ts'
import { type RegistryFixture, startRegistry } from '../fixture/registry/registry.ts'

const signal = new AbortController().signal
const one: CopyOptions = { platform: { os: 'linux', architecture: 'amd64' }, preserveDigests: false, signal }

interface Place {
  readonly folder: string
  readonly registry: RegistryFixture
  readonly image: ImageFixture
  readonly around: ImageContext
  readonly clock: ReturnType<typeof hastyClock>
}

const big = 'x0123456789abcdef'.repeat(20_000)
const twoLayers = [{ 'etc/a': 'a' }, { 'etc/big': `${big}${Math.PI}` }]

async function place(changes: Partial<ImageContext> = {}, files: FixtureOptions['files'] = twoLayers): Promise<Place> {
  const folder = await testFolder()
  const image = await makeImage({ files })
  await writeLayout(join(folder, 'in'), image)
  const clock = hastyClock()
  return {
    folder,
    registry: await startRegistry(),
    image,
    clock,
    around: testImageContext(folder, { clock, ...changes }),
  }
}

async function copy(at: Place, from: string, to: string) {
  const source = await openSource(parseReference(from), at.around)
  try {
    return await copyImage(source, await openDestination(parseReference(to), at.around), one)
  } finally {
    await source.close()
  }
}

const push = (at: Place, to = 'app:1') => copy(at, `oci:${at.folder}/in`, `docker://${at.registry.host}/${to}`)
const pull = (at: Place, from = 'app:1') => copy(at, `docker://${at.registry.host}/${from}`, `oci:${at.folder}/out`)

/** Applies a fault to the first so many requests that match. */
function faults(at: Place, method: string, path: RegExp, times: number, fault: RegistryFixture['fault']): void {
  let left = times
  at.registry.fault = (request) => {
    if (request.method !== method || !path.test(request.path) || left === 0) return undefined
    left -= 1
    return fault?.(request)
  }
}

describe('a registry', () => {
  it('gets an image and gives it back unchanged', async () => {
    const at = await place()
    expect((await push(at)).digest).toBe(at.image.digest)
    expect((await pull(at)).digest).toBe(at.image.digest)
    const source = await openSource(parseReference(`oci:${at.folder}/out`), at.around)
    expect((await validateImage(source, signal)).layers).toBe(2)
  })

  it('is asked with HEAD first, and gets nothing twice', async () => {
    const at = await place()
    await push(at)
    at.registry.seen.length = 0
    expect((await push(at)).blobs).toEqual({ present: 3, mounted: 0, written: 0 })
    expect(at.registry.seen.filter((each) => each.method === 'PATCH' || each.method === 'POST')).toEqual([])
  })

  it('gets manifests after everything that they name', async () => {
    const at = await place()
    await push(at)
    const writes = at.registry.seen.filter((each) => each.method === 'PUT')
    expect(writes.at(-1)?.path).toBe('/v2/app/manifests/1')
    expect(writes.filter((each) => each.path.includes('/manifests/'))).toHaveLength(1)
  })

  it('mounts what another of its repositories has', async () => {
    const at = await place()
    await push(at)
    const result = await copy(at, `docker://${at.registry.host}/app:1`, `docker://${at.registry.host}/other:1`)
    expect(result.blobs).toEqual({ present: 0, mounted: 3, written: 0 })
    expect(at.registry.seen.filter((each) => each.method === 'GET' && each.path.includes('/app/blobs/'))).toEqual([])
  })

  it('gives and gets what is named by SHA-512, and a layer without a byte', async () => {
    const at = await place()
    const [one, other] = [at.registry, await startRegistry()]
    const config = Buffer.from('{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":[]}}')
    const described = [config, Buffer.from('a layer'), Buffer.alloc(0)].map((bytes) => {
      const digest = contentDigestOf(bytes, 'sha512')
      one.blobs.set(`app@${digest}`, bytes)
      return { mediaType: 'application/vnd.oci.image.config.v1+json', digest, size: bytes.length }
    })
    const type = 'application/vnd.oci.image.manifest.v1+json'
    const [first, ...layers] = described
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: type, config: first, layers }))
    const digest = contentDigestOf(bytes, 'sha512')
    one.manifests.set(`app:${digest}`, { type, bytes })
    const { blobs } = await copy(at, `docker://${one.host}/app@${digest}`, `docker://${other.host}/app@${digest}`)
    expect(blobs).toEqual({ present: 0, mounted: 0, written: 3 })
    expect(other.blobs).toEqual(one.blobs)
    expect(other.manifests.get(`app:${digest}`)?.bytes).toEqual(bytes)
    await copy(at, `docker://${other.host}/app@${digest}`, `oci:${at.folder}/out`)
    const files = await readdir(join(at.folder, 'out/blobs/sha512'))
    expect(new Set(files)).toEqual(
      new Set([digest, ...described.map((each) => each.digest)].map((each) => each.slice(7))),
    )
  })

  it('is not asked for a blob that is larger than wanted', async () => {
    const at = await place()
    const reader = await openRegistryReader(parseImageName(`${at.registry.host}/app`), at.around)
    const descriptor = { mediaType: 'a/b', digest: contentDigestOf(Buffer.from('x')), size: 11 }
    await expect(reader.blobBytes(descriptor, 10)).rejects.toMatchObject({ kind: 'exhausted' })
    expect(at.registry.seen).toEqual([])
  })

  it('that cannot mount gets the bytes in the session that it opened', async () => {
    const at = await place()
    await push(at)
    for (const key of [...at.registry.blobs.keys()]) {
      const blob = at.registry.blobs.get(key)
      at.registry.blobs.delete(key)
      if (blob) at.registry.blobs.set(`hidden@${sha256(blob)}`, blob)
    }
    at.registry.fault = (request) => {
      const digest = request.path.split('/').at(-1) ?? ''
      const blob = request.method === 'GET' ? at.registry.blobs.get(`hidden@${digest}`) : undefined
      return blob && { answer: { status: 200, body: blob } }
    }
    const result = await copy(at, `docker://${at.registry.host}/app:1`, `docker://${at.registry.host}/other:1`)
    expect(result.blobs).toEqual({ present: 0, mounted: 0, written: 3 })
  })
})

describe('a registry that fails', () => {
  it('in the middle of a push is asked how far it came and gets the rest', async () => {
    const at = await place()
    faults(at, 'PATCH', /./, 1, () => ({ dieAfterReading: 100, keeping: true }))
    expect((await push(at)).digest).toBe(at.image.digest)
    const resumed = at.registry.seen.find((each) => each.headers['content-range'] !== undefined)
    expect(resumed?.headers['content-range']).toMatch(/^100-\d+$/)
  })

  it('in the middle of a push and forgot the session gets everything again', async () => {
    const at = await place()
    faults(at, 'PATCH', /./, 1, () => ({ dieAfterReading: 100 }))
    expect((await push(at)).digest).toBe(at.image.digest)
  })

  it('and does not know the session any more gets everything again', async () => {
    const at = await place()
    faults(at, 'PUT', /\/blobs\//, 1, () => ({ answer: { status: 404 } }))
    expect((await push(at)).digest).toBe(at.image.digest)
    const posts = at.registry.seen.filter((each) => each.method === 'POST')
    expect(posts).toHaveLength(4)
  })

  it('during a push again and again is not tried for ever', async () => {
    const at = await place()
    at.registry.fault = (request) => (request.method === 'PATCH' ? { answer: { status: 503 } } : undefined)
    await expect(push(at)).rejects.toMatchObject({ name: 'Failure', kind: 'unavailable' })
    const perBlob = at.registry.seen.filter((each) => each.method === 'PATCH').length / 3
    expect(perBlob).toBeLessThanOrEqual(4)
    expect(at.clock.waits.slice(0, 3)).toContain(1000)
  })

  it.each([
    { blob: 'a small one', files: undefined, sent: 50 },
    // Large enough to come past Node's parser, and then, with what is left of it, by it.
    { blob: 'a large one', files: [{ 'etc/random': randomBytes(6_000_000).toString('hex') }], sent: 3_000_000 },
  ])('in the middle of a pull of $blob is read on from where it stopped', async ({ files, sent }) => {
    const at = await place({}, files)
    await push(at)
    const layer = sha256(at.image.layers.at(-1) as Buffer)
    faults(at, 'GET', new RegExp(layer), 2, () => ({ dieAfterSending: sent }))
    expect((await pull(at)).digest).toBe(at.image.digest)
    const ranges = at.registry.seen.map((each) => each.headers.range).filter(Boolean)
    expect(ranges[0]).toBe(`bytes=${sent}-`)
  })

  it('and ignores ranges is read again from the start', async () => {
    const at = await place()
    await push(at)
    const layer = at.image.layers[1] as Buffer
    let times = 0
    at.registry.fault = (request) => {
      if (request.method !== 'GET' || !request.path.endsWith(sha256(layer))) return undefined
      times += 1
      return times === 1 ? { dieAfterSending: 50 } : { answer: { status: 200, body: layer } }
    }
    expect((await pull(at)).digest).toBe(at.image.digest)
  })

  it.each([429, 500, 502, 503])('with %i is tried again, after as long as it says', async (status) => {
    const told: string[] = []
    const at = await place({ tell: (text) => told.push(text) })
    faults(at, 'POST', /uploads/, 2, () => ({ answer: { status, headers: { 'retry-after': '7' } } }))
    expect((await push(at)).digest).toBe(at.image.digest)
    expect(at.clock.waits).toEqual([7000, 7000])
    expect(told).toEqual(Array(2).fill(expect.stringMatching(new RegExp(`HTTP ${status}\\); trying again in 7 s$`))))
  })

  it('for good ends with one clear error, and no manifest', async () => {
    const at = await place()
    at.registry.fault = (request) => (request.method === 'POST' ? { answer: { status: 503 } } : undefined)
    await expect(push(at)).rejects.toMatchObject({ name: 'Failure', kind: 'unavailable' })
    expect(at.registry.manifests.size).toBe(0)
    expect(at.clock.waits.slice(0, 3).every((each) => each >= 1000 && each <= 60_000)).toBe(true)
  })

  it('on a second try gets only what is missing', async () => {
    const at = await place()
    const layer = at.image.layers[1] as Buffer
    let isBroken = true
    at.registry.fault = (request) =>
      isBroken && request.method === 'PUT' && request.query.get('digest') === sha256(layer)
        ? { answer: { status: 503 } }
        : undefined
    await expect(push(at)).rejects.toMatchObject({ kind: 'unavailable' })
    isBroken = false
    const { blobs } = await push(at)
    expect(blobs.written).toBeGreaterThanOrEqual(1)
    expect(blobs.present).toBeGreaterThanOrEqual(1)
  })

  it('takes large blobs in chunks after it said that one is too large', async () => {
    const at = await place()
    faults(at, 'PATCH', /./, 1, () => ({ answer: { status: 413 } }))
    expect((await push(at)).digest).toBe(at.image.digest)
  })

  it.each(['exhausted', 'unavailable', 'out-of-range'] as const)(
    'is not blamed for a source that fails with "%s", nor asked again',
    async (kind) => {
      const at = await place()
      const destination = await openDestination(parseReference(`docker://${at.registry.host}/app:1`), at.around)
      const failure = new Failure(kind, 'the source failed')
      const content = async function* () {
        yield Buffer.from('the first half')
        throw failure
      }
      const descriptor = { mediaType: 'a/b', digest: contentDigestOf(Buffer.from('x')), size: 28 }
      for (const open of [async () => content(), () => Promise.reject(failure)]) {
        at.registry.seen.length = 0
        await expect(destination.putBlob(descriptor, open)).rejects.toBe(failure)
        const uploads = at.registry.seen.filter((each) => each.path.includes('/uploads/'))
        expect(uploads.filter((each) => each.method === 'GET' || each.method === 'PUT')).toEqual([])
      }
      await destination.abort()
    },
  )

  it('that nothing listens for is named', async () => {
    const at = await place({ retryTimes: 0 })
    await expect(copy(at, `oci:${at.folder}/in`, 'docker://127.0.0.1:1/app:1')).rejects.toMatchObject({
      kind: 'unavailable',
      where: '127.0.0.1:1',
    })
  })
})

describe('a registry that lies', () => {
  it('about a blob is found out, and nothing is left', async () => {
    const at = await place()
    await push(at)
    const layer = at.image.layers[1] as Buffer
    at.registry.blobs.set(`app@${sha256(layer)}`, Buffer.alloc(layer.length, 1))
    await expect(pull(at)).rejects.toMatchObject({ kind: 'corrupt' })
    const files = await readdir(join(at.folder, 'out'), { recursive: true })
    expect(files.some((each) => /partial|index.json/.test(each) || each.includes(sha256(layer).slice(7)))).toBe(false)
  })

  it('with an endless blob is stopped at the size that the manifest says', async () => {
    const at = await place()
    await push(at)
    const layer = at.image.layers[1] as Buffer
    at.registry.blobs.set(`app@${sha256(layer)}`, Buffer.concat([layer, layer]))
    await expect(pull(at)).rejects.toMatchObject({ kind: 'corrupt' })
  })

  it('about a manifest asked for by digest is found out', async () => {
    const at = await place()
    await push(at)
    const other = await makeImage({ files: [{ evil: 'evil' }] })
    at.registry.manifests.set(`app:${at.image.digest}`, {
      type: 'application/vnd.oci.image.manifest.v1+json',
      bytes: other.manifest,
    })
    await expect(pull(at, `app@${at.image.digest}`)).rejects.toMatchObject({ kind: 'corrupt' })
  })

  it('about the digest of a tag is found out', async () => {
    const at = await place()
    await push(at)
    faults(at, 'GET', /manifests/, 1, () => ({
      answer: {
        status: 200,
        headers: { 'docker-content-digest': `sha256:${'0'.repeat(64)}` },
        body: at.image.manifest,
      },
    }))
    await expect(pull(at)).rejects.toMatchObject({ kind: 'corrupt' })
  })

  it('about the digest that it stored is found out', async () => {
    const at = await place()
    faults(at, 'PUT', /manifests/, 1, () => ({
      answer: { status: 201, headers: { 'docker-content-digest': `sha256:${'0'.repeat(64)}` } },
    }))
    await expect(push(at)).rejects.toMatchObject({ kind: 'corrupt' })
  })

  it('with a manifest of an unknown type is refused', async () => {
    const at = await place()
    at.registry.manifests.set('app:1', { type: 'text/html', bytes: Buffer.from('<html>') })
    await expect(pull(at)).rejects.toMatchObject({ kind: 'invalid' })
  })

  it('with a huge manifest is refused before it is in memory', async () => {
    const at = await place()
    at.registry.manifests.set('app:1', {
      type: 'application/vnd.oci.image.manifest.v1+json',
      bytes: Buffer.alloc(5 * 1024 * 1024, 0x20),
    })
    await expect(pull(at)).rejects.toMatchObject({ kind: 'exhausted' })
  })

  it('about having taken an upload is found out', async () => {
    const at = await place()
    faults(at, 'PATCH', /./, 9, () => ({ answer: { status: 202, headers: { range: '0-99999999999' } } }))
    await expect(push(at)).rejects.toMatchObject({ kind: 'precondition' })
  })

  it('cannot write to the terminal', async () => {
    const at = await place()
    faults(at, 'POST', /uploads/, 9, () => ({
      answer: {
        status: 403,
        headers: { 'content-type': 'application/json' },
        body: '{"errors":[{"message":"\\u001b[2Jgone\\r\\u202e"}]}',
      },
    }))
    const error: unknown = await push(at).catch((error: unknown) => error)
    expect(error).toMatchObject({ kind: 'denied', message: expect.stringContaining('gone') })
    expect(error).toMatchObject({ message: expect.not.stringMatching(/[\p{Cc}\p{Cf}]/u) })
  })
})

describe('credentials', () => {
  const user = 'alice'
  const word = 'hunter2-very-secret'
  const auths = (host: string) => ({ auths: { [host]: { auth: Buffer.from(`${user}:${word}`).toString('base64') } } })

  async function withTokens(lifetime = 300) {
    const tokens = new Set<string>()
    const asked: { url: URL; authorization: string | undefined; body: string }[] = []
    const server = createServer((request, response) => {
      let body = ''
      request.on('data', (chunk: Buffer) => {
        body += chunk.toString()
      })
      request.on('end', () => {
        asked.push({ url: new URL(request.url ?? '', 'http://x'), authorization: request.headers.authorization, body })
        const token = `token-${asked.length}`
        tokens.add(token)
        response.end(JSON.stringify({ access_token: token, expires_in: lifetime }))
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const at = await place()
    at.registry.auth = { realm: `http://127.0.0.1:${(server.address() as AddressInfo).port}/token?x=1`, tokens }
    return { at, asked, tokens }
  }

  it('buy one token for the whole push, for the right scope', async () => {
    const { at, asked } = await withTokens()
    const authFile = join(at.folder, 'auth.json')
    await writeFile(authFile, JSON.stringify(auths(at.registry.host)))
    const around = { ...at.around, login: { ...at.around.login, authFile } }
    expect((await push({ ...at, around })).digest).toBe(at.image.digest)
    expect(new Set(asked.map((each) => each.url.searchParams.get('scope')))).toEqual(
      new Set(['repository:app:pull,push']),
    )
    expect(asked[0]?.url.searchParams.get('service')).toBe('fixture')
    expect(asked[0]?.url.searchParams.get('x')).toBe('1')
    expect(asked[0]?.authorization).toBe(`Basic ${Buffer.from(`${user}:${word}`).toString('base64')}`)
    expect(asked).toHaveLength(1)
  })

  it('are used again when a token is refused in the middle of a push', async () => {
    const { at, asked, tokens } = await withTokens()
    let isExpired = false
    at.registry.fault = (request) => {
      if (request.method === 'PUT' && request.path.includes('/blobs/') && !isExpired) {
        isExpired = true
        tokens.clear()
      }
      return undefined
    }
    expect((await push(at)).digest).toBe(at.image.digest)
    expect(asked.length).toBeGreaterThanOrEqual(2)
  })

  it('of an identity token are posted, never put into an address', async () => {
    const { at, asked } = await withTokens()
    const authFile = join(at.folder, 'auth.json')
    await writeFile(authFile, JSON.stringify({ auths: { [at.registry.host]: { identitytoken: word } } }))
    await push({ ...at, around: { ...at.around, login: { ...at.around.login, authFile } } })
    expect(new URLSearchParams(asked[0]?.body).get('refresh_token')).toBe(word)
    expect(asked[0]?.url.href).not.toContain(word)
  })

  it('ask for the source too when a blob is to be mounted', async () => {
    const { at, asked } = await withTokens()
    await push(at)
    await copy(at, `docker://${at.registry.host}/app:1`, `docker://${at.registry.host}/other:1`)
    const scopes = asked.map((each) => each.url.searchParams.getAll('scope'))
    expect(scopes).toContainEqual(['repository:other:pull,push', 'repository:app:pull'])
  })

  it('never follow a redirect to another host', async () => {
    const { at } = await withTokens()
    await push(at)
    const elsewhere: (string | undefined)[] = []
    const server = createServer((request, response) => {
      elsewhere.push(request.headers.authorization)
      response.end(at.registry.blobs.get(`app@${(request.url ?? '').slice(1)}`))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const port = (server.address() as AddressInfo).port
    at.registry.fault = (request) =>
      request.method === 'GET' && request.path.includes('/blobs/')
        ? {
            answer: {
              status: 307,
              headers: { location: `http://127.0.0.1:${port}/${request.path.split('/').at(-1)}` },
            },
          }
        : undefined
    expect((await pull(at)).digest).toBe(at.image.digest)
    expect(elsewhere).toEqual([undefined, undefined, undefined])
  })

  it('never follow an upload to another host', async () => {
    const { at } = await withTokens()
    const elsewhere: (string | undefined)[] = []
    const server = createServer((request, response) => {
      elsewhere.push(request.headers.authorization)
      request.resume()
      request.on('end', () => response.writeHead(request.method === 'PUT' ? 201 : 202).end())
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const location = `http://127.0.0.1:${(server.address() as AddressInfo).port}/up`
    faults(at, 'POST', /uploads/, 9, () => ({ answer: { status: 202, headers: { location } } }))
    await push(at)
    expect(elsewhere.length).toBeGreaterThan(0)
    expect(elsewhere.every((each) => each === undefined)).toBe(true)
  })

  it('end a redirect loop', async () => {
    const at = await place()
    await push(at)
    at.registry.fault = (request) =>
      request.path.includes('/manifests/')
        ? { answer: { status: 302, headers: { location: request.path } } }
        : undefined
    await expect(pull(at)).rejects.toMatchObject({ kind: 'invalid' })
  })

  it('that are wrong end with "denied" and how to log in, without the secret', async () => {
    const at = await place()
    const authFile = join(at.folder, 'auth.json')
    await writeFile(authFile, JSON.stringify(auths(at.registry.host)))
    at.registry.fault = () => ({ answer: { status: 401, headers: { 'www-authenticate': 'Basic realm="x"' } } })
    const error: unknown = await push({
      ...at,
      around: { ...at.around, login: { ...at.around.login, authFile } },
    }).catch((error: unknown) => error)
    expect(error).toMatchObject({ kind: 'denied', next: [expect.stringContaining('docker login')] })
    expect(inspect(error, { depth: 9 })).not.toContain(word)
  })

  it('are one reason why something is not there; a list of tags is another way to find out', async () => {
    const at = await place()
    await push(at)
    const [ls, login] = [`\`native image ls ${at.registry.host}/app\``, `docker login ${at.registry.host}`]
    const next = [expect.stringContaining(ls), expect.stringContaining(login)]
    await expect(pull(at, 'app:2')).rejects.toMatchObject({ kind: 'not-found', next })
  })
})
