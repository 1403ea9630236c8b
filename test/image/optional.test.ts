import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { copyImage } from '../../src/image/copy.ts'
import { type ImageContext, openDestination, openSource } from '../../src/image/open.ts'
import { parseReference } from '../../src/image/reference.ts'
import { testFolder } from '../fixture/folder.ts'
import { makeImage, writeLayout } from '../fixture/image.ts'
import { testImageContext } from '../fixture/image-context.ts'
import { type RegistryFixture, type Seen, startRegistry } from '../fixture/registry/registry.ts'

const { signal } = new AbortController()

async function place() {
  const folder = await testFolder()
  await writeLayout(join(folder, 'in'), await makeImage({ files: [{ 'etc/a': 'a' }, { 'etc/b': 'b'.repeat(5000) }] }))
  const registry = await startRegistry()
  const around = testImageContext(folder, { cacheFolder: join(folder, 'cache') })
  return { folder, registry, around }
}

async function copy(from: string, to: string, around: ImageContext) {
  const source = await openSource(parseReference(from), around)
  try {
    const destination = await openDestination(parseReference(to), around)
    return await copyImage(source, destination, { platform: 'all', preserveDigests: true, signal })
  } finally {
    await source.close()
  }
}

/** Answers requests that match with a status. */
function refusing(registry: RegistryFixture, matches: (seen: Seen) => boolean, status: number): void {
  registry.fault = (seen) => (matches(seen) ? { answer: { status } } : undefined)
}

const statuses = [400, 401, 403, 404, 405, 409, 415, 418, 422, 429, 500, 501, 502, 503, 504]
const isMount = (seen: Seen): boolean => seen.query.has('mount')

describe('a push goes on without', () => {
  it.each(statuses)(
    'a mount that is answered with %i, between repositories and of what is remembered',
    async (status) => {
      const { folder, registry, around } = await place()
      refusing(registry, isMount, status)
      const to = (name: string): string => `docker://${registry.host}/${name}:1`
      await copy(`oci:${folder}/in`, to('first'), around)
      expect((await copy(to('first'), to('second'), around)).blobs).toEqual({ present: 0, mounted: 0, written: 3 })
      expect((await copy(`oci:${folder}/in`, to('third'), around)).blobs).toEqual({
        present: 0,
        mounted: 0,
        written: 3,
      })
      expect(registry.manifests.has('third:1')).toBe(true)
    },
  )

  it('asking for every blob again what was refused for one', async () => {
    const { folder, registry, around } = await place()
    await copy(`oci:${folder}/in`, `docker://${registry.host}/first:1`, around)
    refusing(registry, isMount, 405)
    const one = { ...around, parallelMax: 1 }
    await copy(`docker://${registry.host}/first:1`, `docker://${registry.host}/second:1`, one)
    // Those that were under way at the same time, and none after them.
    expect(registry.seen.filter(isMount).length).toBeLessThanOrEqual(3)
  })

  it('a mount that the registry only says it has made', async () => {
    const { folder, registry, around } = await place()
    await copy(`oci:${folder}/in`, `docker://${registry.host}/first:1`, around)
    registry.fault = (seen) => {
      if (isMount(seen)) return { answer: { status: 201 } }
      const isThere = [...registry.blobs.keys()].some((each) => each.startsWith('second@'))
      const isManifest = seen.method === 'PUT' && seen.path === '/v2/second/manifests/1'
      return isManifest && !isThere
        ? { answer: { status: 400, body: '{"errors":[{"code":"BLOB_UNKNOWN"}]}' } }
        : undefined
    }
    await copy(`docker://${registry.host}/first:1`, `docker://${registry.host}/second:1`, around)
    expect(registry.manifests.has('second:1')).toBe(true)
  })

  it.each(statuses.filter((status) => status !== 429))('HEAD that is answered with %i', async (status) => {
    const { folder, registry, around } = await place()
    refusing(registry, ({ method }) => method === 'HEAD', status)
    expect((await copy(`oci:${folder}/in`, `docker://${registry.host}/app:1`, around)).blobs.written).toBe(3)
  })

  it.each([1, 2, 100, -1, -100, -1_000_000])('a Range that is %i off after all was sent', async (off) => {
    const { folder, registry, around } = await place()
    const { server, host } = await relay(registry, (method, headers) => {
      const end = Number(/-(\d+)$/.exec(headers['range'] ?? '')?.[1])
      return method === 'PATCH' ? { ...headers, range: `0-${Math.max(0, end + off)}` } : headers
    })
    expect((await copy(`oci:${folder}/in`, `docker://${host}/app:1`, around)).blobs.written).toBe(3)
    server.close()
  })
})

/** A registry in front of another one, which changes what that one answers. */
async function relay(
  registry: RegistryFixture,
  changed: (method: string, headers: Record<string, string>) => Record<string, string>,
) {
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
    const { method = 'GET', url = '/' } = request
    const headers = Object.fromEntries(
      Object.entries(request.headers).flatMap(([key, value]) =>
        typeof value === 'string' && !['host', 'connection', 'content-length'].includes(key) ? [[key, value]] : [],
      ),
    )
    const body = chunks.length > 0 ? { body: Buffer.concat(chunks) } : {}
    const answer = await fetch(new URL(url, registry.url), { method, headers, redirect: 'manual', ...body })
    response.writeHead(answer.status, changed(method, Object.fromEntries(answer.headers)))
    response.end(Buffer.from(await answer.arrayBuffer()))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { server, host: `127.0.0.1:${(server.address() as AddressInfo).port}` }
}

/** A token server on loopback; what it is asked for is kept. */
async function tokens(answer: (asked: { method: string; scopes: string[]; authorization: string }) => number) {
  const asked: { method: string; scopes: string[]; authorization: string }[] = []
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request as AsyncIterable<Buffer>) body += chunk
    const { method = 'GET', url = '/' } = request
    const query = method === 'POST' ? new URLSearchParams(body) : new URL(url, 'http://x').searchParams
    const scopes = query.getAll('scope').flatMap((each) => each.split(' '))
    const one = { method, scopes, authorization: request.headers.authorization ?? '' }
    asked.push(one)
    response.writeHead(answer(one)).end(JSON.stringify({ token: 'T' }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return { asked, realm: `http://127.0.0.1:${(server.address() as AddressInfo).port}/token` }
}

describe('a token', () => {
  it.each(statuses)('for two repositories that is answered with %i is asked for one', async (status) => {
    const { folder, registry, around } = await place()
    await copy(`oci:${folder}/in`, `docker://${registry.host}/first:1`, around)
    const { realm } = await tokens(({ scopes }) => (scopes.length > 1 ? status : 200))
    registry.auth = { realm, tokens: new Set(['T']) }
    const copied = await copy(`docker://${registry.host}/first:1`, `docker://${registry.host}/second:1`, around)
    expect(copied.blobs).toEqual({ present: 0, mounted: 0, written: 3 })
  })

  const withIdentity = (around: ImageContext, file: string): ImageContext => ({
    ...around,
    login: { ...around.login, authFile: file },
  })

  it.each([400, 404, 405, 415, 500, 501, 503])(
    'that is not given for POST (%i) is asked for by GET',
    async (status) => {
      const { folder, registry, around } = await place()
      const { realm, asked } = await tokens(({ method }) => (method === 'POST' ? status : 200))
      registry.auth = { realm, tokens: new Set(['T']) }
      const file = await logins(folder, registry.host)
      await copy(`oci:${folder}/in`, `docker://${registry.host}/app:1`, withIdentity(around, file))
      expect(asked.map((each) => each.method).slice(0, 2)).toEqual(['POST', 'GET'])
      expect(asked.every((each) => each.authorization === '')).toBe(true)
    },
  )

  it.each([401, 403])('of an identity that is refused (%i) is no reason to go on as nobody', async (status) => {
    const { folder, registry, around } = await place()
    const { realm, asked } = await tokens(({ method }) => (method === 'POST' ? status : 200))
    registry.auth = { realm, tokens: new Set(['T']) }
    const file = await logins(folder, registry.host)
    const pushed = copy(`oci:${folder}/in`, `docker://${registry.host}/app:1`, withIdentity(around, file))
    await expect(pushed).rejects.toMatchObject({ kind: 'denied' })
    expect(asked.every((each) => each.method === 'POST')).toBe(true)
  })
})

async function logins(folder: string, host: string): Promise<string> {
  const { writeFile } = await import('node:fs/promises')
  const file = join(folder, 'auth.json')
  await writeFile(file, JSON.stringify({ auths: { [host]: { identitytoken: 'I' } } }))
  return file
}
