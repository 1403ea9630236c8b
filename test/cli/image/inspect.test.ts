import { execa } from 'execa'
import { describe, expect, it } from 'vitest'
import { inspectImage, inspectText, rawConfigOf, rawManifestOf } from '../../../src/cli/image/inspect.ts'
import { listTags } from '../../../src/cli/image/ls.ts'
import { contentDigestOf } from '../../../src/image/content-digest.ts'
import { openSource } from '../../../src/image/open.ts'
import { parsePlatform } from '../../../src/image/platform.ts'
import { parseReference, parseRegistryReference } from '../../../src/image/reference.ts'
import { launchDockerRegistry } from '../../fixture/docker-registry.ts'
import { testFolder } from '../../fixture/folder.ts'
import { makeImage, writeLayout } from '../../fixture/image.ts'
import { testImageContext } from '../../fixture/image-context.ts'
import { config, index, manifest, memorySource } from '../../fixture/memory-places.ts'
import { have } from '../../fixture/real.ts'
import { startRegistry } from '../../fixture/registry/registry.ts'

const all = { platform: 'all', isNamed: false } as const

describe('image inspect', () => {
  it('tells what an image is, and its bytes as they are', async () => {
    const folder = await testFolder()
    const made = await makeImage({ files: [{ 'etc/a': 'a' }, { 'etc/b': 'b' }] })
    await writeLayout(folder, made, 'it')
    const source = await openSource(parseReference(`oci:${folder}:it`), testImageContext(folder))
    const found = await inspectImage(source, all)
    expect(found).toMatchObject({ digest: made.digest, manifests: [], image: { platform: 'linux/amd64' } })
    expect(found.image?.layers).toHaveLength(2)
    expect(inspectText(found, Number.POSITIVE_INFINITY)).toContain(`digest      ${made.digest}\n`)
    expect(contentDigestOf((await rawManifestOf(source, all)).bytes)).toBe(made.digest)
    const bytes = await rawConfigOf(source, { platform: parsePlatform('linux/amd64'), isNamed: true })
    expect(JSON.parse(Buffer.from(bytes).toString())).toMatchObject({ os: 'linux', architecture: 'amd64' })
  })

  it('of an index tells what it names, and of one platform that image', async () => {
    const image = manifest([])
    const entry = { ...image.descriptor, platform: { os: 'linux', architecture: 'amd64' } }
    const attested = { ...image.descriptor, platform: { os: '', architecture: '' } }
    const source = memorySource([index([entry, attested]), image, config])
    const found = await inspectImage(source, all)
    expect(found).toMatchObject({ image: null, manifests: [{ platform: 'linux/amd64' }, { platform: null }] })
    expect(inspectText(found, Number.POSITIVE_INFINITY)).toContain(
      `platforms   linux/amd64  ${image.descriptor.digest}\n`,
    )
    const one = await inspectImage(source, { platform: parsePlatform('linux/amd64'), isNamed: true })
    expect(one.digest).toBe(image.descriptor.digest)
  })
})

describe('the description', () => {
  it('breaks no digest at 80 columns, and leaves labels as they are', async () => {
    const image = manifest([])
    const entry = { ...image.descriptor, platform: { os: 'linux', architecture: 'amd64' } }
    const source = memorySource([index([entry]), image, config])
    const found = { ...(await inspectImage(source, all)), annotations: { note: 'two  spaces' } }
    expect(inspectText(found, 80).split('\n')).toEqual([
      'name',
      `  ${found.name}`,
      'digest',
      `  ${found.digest}`,
      'type',
      `  ${found.mediaType}`,
      'platforms',
      '  linux/amd64',
      `  ${image.descriptor.digest}`,
      'annotations',
      '  note=two  spaces',
    ])
  })
})

describe('image ls', () => {
  it('lists every page, each tag once', async () => {
    const registry = await startRegistry()
    registry.fault = ({ path, query }) => {
      if (!path.endsWith('/tags/list')) return undefined
      const last = query.get('last')
      const tags = last === null ? ['a', 'b'] : last === 'b' ? ['b', 'c'] : null
      const link: Record<string, string> =
        last === null
          ? { link: `</v2/app/tags/list?last=b>; rel="next"` }
          : last === 'b'
            ? { link: `<${path}?last=c>; rel=next` }
            : {}
      return { answer: { status: 200, headers: link, body: JSON.stringify({ name: 'app', tags }) } }
    }
    const around = testImageContext(await testFolder())
    const found = await listTags(parseRegistryReference(`${registry.host}/app`), around)
    expect(found).toEqual({ repository: `${registry.host}/app`, tags: ['a', 'b', 'c'] })
    await expect(listTags(parseRegistryReference(`${registry.host}/app:1`), around)).rejects.toMatchObject({
      kind: 'invalid',
      next: [expect.stringContaining('image inspect')],
    })
  })

  it('of a repository that is not there says so', async () => {
    const registry = await startRegistry()
    const asked = listTags(parseRegistryReference(`${registry.host}/none`), testImageContext(await testFolder()))
    await expect(asked).rejects.toMatchObject({ kind: 'not-found' })
  })
})

describe.runIf(await have('docker-registry', 'skopeo'))("in Debian's docker-registry", () => {
  it('both say what skopeo says', async () => {
    const folder = await testFolder()
    const registry = await launchDockerRegistry(folder)
    try {
      const made = await makeImage({ files: [{ 'etc/a': 'a' }] })
      await writeLayout(`${folder}/l`, made, 'it')
      const around = testImageContext(folder)
      for (const tag of ['1', '2']) {
        const to = `docker://${registry.host}/app:${tag}`
        await execa('skopeo', ['--insecure-policy', 'copy', '-q', '--dest-tls-verify=false', `oci:${folder}/l:it`, to])
      }
      const skopeo = async (...args: string[]) => JSON.parse((await execa('skopeo', args)).stdout)
      const theirs = await skopeo('inspect', '--tls-verify=false', `docker://${registry.host}/app:1`)
      const source = await openSource(parseReference(`docker://${registry.host}/app:1`), around)
      const found = await inspectImage(source, all)
      expect({ digest: found.digest, layers: found.image?.layers.map((each) => each.digest) }).toEqual({
        digest: theirs.Digest,
        layers: theirs.Layers,
      })
      await source.close()
      const tags = await listTags(parseRegistryReference(`${registry.host}/app`), around)
      expect(tags.tags).toEqual((await skopeo('list-tags', '--tls-verify=false', `docker://${registry.host}/app`)).Tags)
    } finally {
      registry.stop()
    }
  })
})
