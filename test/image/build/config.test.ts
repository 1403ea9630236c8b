import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { buildImage } from '../../../src/image/build/build.ts'
import { openSource } from '../../../src/image/open.ts'
import { parsePlatform } from '../../../src/image/platform.ts'
import { parseReference } from '../../../src/image/reference.ts'
import { validateImage } from '../../../src/image/validate.ts'
import { testFolder } from '../../fixture/folder.ts'
import { type ImageFixture, makeImage, sha256, writeLayout } from '../../fixture/image.ts'
import { testImageContext } from '../../fixture/image-context.ts'
import { sourcesIn } from '../../fixture/sources.ts'

const signal = new AbortController().signal
const inherited = {
  User: 'somebody',
  ExposedPorts: { '80/tcp': {} },
  Env: ['PATH=/base', 'KEPT=1', 'OVER=base'],
  Entrypoint: ['/base-entry'],
  Cmd: ['base-argument'],
  Volumes: { '/data': {} },
  WorkingDir: '/base',
  Labels: { base: 'yes', title: 'base' },
  StopSignal: 'SIGQUIT',
  Healthcheck: { Test: ['CMD', 'check'], Interval: 30_000_000_000 },
  OnBuild: ['RUN something'],
  Shell: null,
}

/** An image whose config says more, or other things, than it is. */
async function baseImage(changes: object): Promise<ImageFixture> {
  const image = await makeImage()
  const config = Buffer.from(JSON.stringify({ ...JSON.parse(image.config.toString()), ...changes }))
  const document = JSON.parse(image.manifest.toString())
  document.config = { ...document.config, digest: sha256(config), size: config.byteLength }
  const manifest = Buffer.from(JSON.stringify(document))
  return { ...image, config, manifest, digest: sha256(manifest) }
}

/** The config of an image that is built on a base. */
async function configOn(base: object, platform: string, definition = '', platforms = platform) {
  const folder = await testFolder()
  await writeLayout(join(folder, 'base'), await baseImage(base))
  await writeFile(join(folder, 'mine.yaml'), `name: mine\nbase: scratch\nplatforms: [${platforms}]\n${definition}`)
  const { source, digest } = await buildImage(await sourcesIn(folder, { definitionFile: 'mine.yaml' }), {
    platforms: [parsePlatform(platform)],
    base: await openSource(parseReference(`oci:${folder}/base`), testImageContext(folder)),
    baseName: null,
    epochSeconds: 1,
    cache: folder,
    temporary: folder,
    path: '',
    signal,
  })
  await validateImage(source, signal)
  const { config } = JSON.parse(Buffer.from((await source.manifest()).bytes).toString())
  const pieces: Uint8Array[] = []
  for await (const piece of await source.blob(config)) pieces.push(Uint8Array.from(piece))
  await source.close()
  return { digest, config: JSON.parse(Buffer.concat(pieces).toString()) }
}

describe('the config of an image', () => {
  it("is its base's, as long as the definition says nothing", async () => {
    const { config } = await configOn({ config: inherited }, 'linux/amd64')
    const { OnBuild: _, Shell: __, ...kept } = inherited
    const Labels = { ...kept.Labels, 'org.opencontainers.image.base.digest': expect.any(String) }
    expect(config.config).toEqual({ ...kept, Labels })
  })

  it('is what the definition says over that', async () => {
    const own = `environment: {OVER: own, NEW: '2'}
entrypoint: [/own]
user: '1000'
workdir: /own
labels: {title: own}
`
    const { config } = await configOn({ config: inherited }, 'linux/amd64', own)
    expect(config.config).toMatchObject({
      User: '1000',
      ExposedPorts: { '80/tcp': {} },
      Env: ['PATH=/base', 'KEPT=1', 'NEW=2', 'OVER=own'],
      Entrypoint: ['/own'],
      WorkingDir: '/own',
      Labels: { base: 'yes', title: 'own' },
      StopSignal: 'SIGQUIT',
    })
    // An entry point of its own does not want the arguments of another one.
    expect(config.config).not.toHaveProperty('Cmd')
    const command = await configOn({ config: inherited }, 'linux/amd64', 'command: [own-argument]\n')
    expect(command.config.config).toMatchObject({ Entrypoint: ['/base-entry'], Cmd: ['own-argument'] })
  })

  it.each([
    ['fewer', 1],
    ['more', 3],
  ])('is not made of a base that names %s diff ids than it has layers', async (_, count) => {
    const rootfs = { type: 'layers', diff_ids: Array(count).fill(sha256(Buffer.from('x'))) }
    await expect(configOn({ rootfs }, 'linux/amd64')).rejects.toMatchObject({
      kind: 'invalid',
      message: expect.stringMatching(/2 layers.*diff id/),
      where: expect.stringContaining('base'),
    })
  })
})

describe('the variant of a processor', () => {
  it('of arm64 is v8, said or not: one image', async () => {
    const arm = { architecture: 'arm64' }
    const plain = await configOn(arm, 'linux/arm64')
    const said = await configOn(arm, 'linux/arm64/v8', '', 'linux/arm64')
    expect(said.digest).toBe(plain.digest)
    expect(plain.config).toMatchObject({ os: 'linux', architecture: 'arm64' })
    expect(plain.config).not.toHaveProperty('variant')
    await expect(configOn(arm, 'linux/arm64/v9', '', 'linux/arm64')).rejects.toMatchObject({
      kind: 'invalid',
      where: '--platform',
    })
  })

  it("is the definition's, else the base's, whose programs need it", async () => {
    const base = { architecture: 'arm', variant: 'v7' }
    expect((await configOn(base, 'linux/arm')).config).toMatchObject({ architecture: 'arm', variant: 'v7' })
    expect((await configOn({ architecture: 'arm' }, 'linux/arm/v6')).config).toMatchObject({ variant: 'v6' })
  })

  it('is not another one than the base has', async () => {
    const base = { architecture: 'arm', variant: 'v7' }
    await expect(configOn(base, 'linux/arm/v6')).rejects.toMatchObject({
      kind: 'invalid',
      message: 'the base is for linux/arm/v7, not for linux/arm/v6',
    })
  })
})
