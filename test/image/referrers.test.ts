import { describe, expect, it } from 'vitest'
import { contentDigestOf } from '../../src/image/content-digest.ts'
import { openRegistryDestination, openRegistryReader } from '../../src/image/media/registry/registry.ts'
import { ociIndex, ociManifest } from '../../src/image/media-types.ts'
import { parseImageName } from '../../src/image/name.ts'
import { sha256 } from '../fixture/image.ts'
import { testImageContext } from '../fixture/image-context.ts'
import { type Fault, type RegistryFixture, startRegistry } from '../fixture/registry/registry.ts'
import { serve } from '../fixture/registry/serve.ts'

const subject = contentDigestOf(Buffer.from('an image'))

/** A manifest that refers to the image. */
function signature(mark: string): Buffer {
  const document = {
    schemaVersion: 2,
    mediaType: ociManifest,
    artifactType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
    config: { mediaType: 'application/vnd.oci.empty.v1+json', digest: sha256(Buffer.from('{}')), size: 2 },
    layers: [],
    subject: { mediaType: ociManifest, digest: subject, size: 8 },
    annotations: { mark },
  }
  return Buffer.from(JSON.stringify(document))
}

interface Place {
  readonly registry: RegistryFixture
  /** Pushes what refers to the image. */
  push(bytes: Buffer): Promise<void>
  /** Digests of what refers to the image. */
  referrers(): Promise<string[]>
}

async function place(changes: Partial<RegistryFixture> = {}): Promise<Place> {
  const registry = Object.assign(await startRegistry(), changes)
  const around = testImageContext('/nowhere', { retryTimes: 0 })
  return {
    registry,
    async push(bytes) {
      const destination = await openRegistryDestination(parseImageName(`${registry.host}/app`), around)
      await destination.putManifest({ bytes, mediaType: ociManifest, digest: contentDigestOf(bytes) }, false)
      await destination.commit()
    },
    async referrers() {
      const reader = await openRegistryReader(parseImageName(`${registry.host}/app`), around)
      return reader
        .referrers(subject)
        .then((found) => found.map((each) => each.digest))
        .finally(() => reader.close())
    },
  }
}

/** How the referrers API answers. */
function answering(registry: RegistryFixture, answer: (from: string | null) => Fault | undefined): void {
  registry.fault = ({ path, query }) => (path.includes('/referrers/') ? answer(query.get('from')) : undefined)
}

/** Answers of registries that have no referrers API. */
const withoutApi: { answer: string; status: number; headers?: Record<string, string>; body?: string }[] = [
  ...[400, 404, 405, 406, 501].map((status) => ({ answer: String(status), status })),
  { answer: 'a page for people', status: 200, headers: { 'content-type': 'text/html' }, body: '<html>' },
  { answer: 'JSON of no type', status: 200, body: '{}' },
  { answer: 'a redirect to nowhere', status: 303 },
  { answer: 'a redirect to no address', status: 302, headers: { location: 'http://[' } },
]

describe('referrers', () => {
  it.each([true, false])('are found with the API there: %s', async (hasApi) => {
    const at = await place({ referrers: hasApi })
    await at.push(signature('1'))
    expect(await at.referrers()).toEqual([sha256(signature('1'))])
    expect(at.registry.manifests.has(`app:${subject.replace(':', '-')}`)).toBe(!hasApi)
  })

  it('of several pages are all found', async () => {
    const at = await place({ referrers: true, referrersPerPage: 2 })
    const signatures = ['1', '2', '3', '4', '5'].map(signature)
    for (const each of signatures) await at.push(each)
    expect(new Set(await at.referrers())).toEqual(new Set(signatures.map(sha256)))
    expect(at.registry.seen.filter((each) => each.path.includes('/referrers/'))).toHaveLength(3)
  })

  it.each(withoutApi)('are found by the fallback tag when the API answers with $answer', async (answer) => {
    const at = await place()
    await at.push(signature('1'))
    answering(at.registry, () => ({ answer }))
    expect(await at.referrers()).toEqual([sha256(signature('1'))])
  })

  it.each([301, 302, 303, 307, 308])(
    'are found by the fallback tag when the API sends elsewhere with %i (ghcr.io), and nobody goes there',
    async (status) => {
      const at = await place()
      await at.push(signature('1'))
      const { url, sockets } = await serve((_, response) => response.writeHead(429).end())
      const location = `${url}-/v2/packages/container/package/app`
      answering(at.registry, () => ({ answer: { status, headers: { location } } }))
      expect(await at.referrers()).toEqual([sha256(signature('1'))])
      expect(sockets).toEqual([])
    },
  )

  it('are looked for where the registry sends on to on its own host', async () => {
    const at = await place({ referrers: true })
    await at.push(signature('1'))
    const location = `/v2/app/referrers/${subject}?from=0`
    answering(at.registry, (from) => (from === null ? { answer: { status: 307, headers: { location } } } : undefined))
    expect(await at.referrers()).toEqual([sha256(signature('1'))])
  })

  it.each(withoutApi)('of which a later page is $answer are an error, not half a list', async (answer) => {
    const at = await place({ referrers: true, referrersPerPage: 1 })
    await at.push(signature('1'))
    await at.push(signature('2'))
    answering(at.registry, (from) => (from === null ? undefined : { answer }))
    await expect(at.referrers()).rejects.toMatchObject({ kind: 'unavailable' })
  })

  it.each([
    { status: 401, kind: 'denied' },
    { status: 403, kind: 'denied' },
    { status: 429, kind: 'unavailable' },
    { status: 503, kind: 'unavailable' },
  ])('that the registry does not list now ($status) are an error, whatever the fallback tag says', async (answer) => {
    const at = await place()
    await at.push(signature('1'))
    answering(at.registry, () => ({ answer }))
    await expect(at.referrers()).rejects.toMatchObject({ kind: answer.kind })
  })

  it.each([
    { flood: 'one page', entries: 1500, pages: 1 },
    { flood: 'two pages', entries: 900, pages: 2 },
    { flood: 'pages without end', entries: 0, pages: 1e9 },
  ])('of a flood in $flood end with an error', async ({ entries, pages }) => {
    const at = await place()
    const entry = { mediaType: ociManifest, digest: subject, size: 1 }
    const body = JSON.stringify({ schemaVersion: 2, manifests: Array.from({ length: entries }, () => entry) })
    answering(at.registry, (from) => {
      const next = Number(from ?? 0) + 1
      const link = next < pages ? { link: `</v2/app/referrers/${subject}?from=${next}>; rel="next"` } : undefined
      return { answer: { status: 200, headers: { 'content-type': ociIndex, ...link }, body } }
    })
    await expect(at.referrers()).rejects.toMatchObject({ kind: 'exhausted' })
  })
})
