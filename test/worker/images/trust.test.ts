import { generateKeyPairSync } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { signImage } from '../../../src/cli/image/sign/sign.ts'
import { workerConfig } from '../../../src/config/worker.ts'
import { systemClock } from '../../../src/core/clock.ts'
import { parseRegistryReference } from '../../../src/image/reference.ts'
import { assertPolicies } from '../../../src/serve/image-trust.ts'
import { imageOffers, imageSourceOf } from '../../../src/serve/worker-images.ts'
import { Code } from '../../../src/wire/rpc.ts'
import { testFolder } from '../../fixture/folder.ts'
import { sha256, writeLayout } from '../../fixture/image.ts'
import { testImageContext } from '../../fixture/image-context.ts'
import { imageOf, layerOf, publish, shellEntries } from '../../fixture/layers.ts'
import { startRegistry } from '../../fixture/registry/registry.ts'
import { openContext } from '../worker-context.ts'

vi.setConfig({ testTimeout: 60_000 })

const shellLayer = await layerOf(shellEntries())
const nowhere = {
  identityToken: undefined,
  fulcioUrl: undefined,
  rekorUrl: undefined,
  timestampUrl: undefined,
  env: {},
}

/** A registry with images, and a key whose signatures a policy requires for `tools` alone. */
async function openTrust() {
  const folder = await testFolder()
  const registry = await startRegistry()
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const key = join(folder, 'key.pem')
  writeFileSync(key, privateKey.export({ type: 'pkcs8', format: 'pem' }))
  writeFileSync(join(folder, 'key.pub'), publicKey.export({ type: 'spki', format: 'pem' }))
  const policies = join(folder, 'policies.yaml')
  const policy = `{ images: [${registry.host}/tools], signers: [{ key: key.pub }], log: ignored }`
  writeFileSync(policies, `policies: [${policy}]\n`)
  const directory = join(folder, 'worker')
  mkdirSync(directory)
  const open = (settings: object = {}) => {
    const some = { scheduler: 'grpc://127.0.0.1:1', cas: 'grpc://127.0.0.1:1', directory: '/' }
    const images = workerConfig.parse({
      ...some,
      images: { from: ['docker', 'oci'], folders: [folder], policies: [policies], ...settings },
    }).images
    const source = imageSourceOf(images, systemClock)
    const offers = imageOffers(images)
    return openContext({
      directory,
      ways: ['sandbox'],
      images: { source, sizeBytesMax: images.size, usual: images.default, offers },
    })
  }
  return {
    folder,
    registry,
    open,
    reference: (name: string) => `docker://${registry.host}/${name}`,
    async put(name: string, content: string, ballast = 0) {
      const [repository = '', tag = ''] = name.split(':')
      const image = imageOf([
        shellLayer,
        await layerOf([
          { name: 'greeting', content },
          { name: 'ballast', content: Buffer.alloc(ballast) },
        ]),
      ])
      publish(registry, repository, tag, image)
      return image
    },
    sign: (name: string) =>
      signImage(
        parseRegistryReference(`${registry.host}/${name}`),
        { key, passphrase: undefined, keyless: nowhere, annotations: {}, forms: ['tag'] },
        { ...testImageContext(folder), clock: systemClock },
      ),
  }
}

const greet = { command: { arguments: ['cat', '/greeting'] } }
const refused = (text: string | RegExp) => ({
  response: { status: { code: Code.FAILED_PRECONDITION, message: expect.stringMatching(text) } },
})
const inImage = (value: string) => ({ ...greet, properties: [{ name: 'container-image', value }] })

describe.runIf(process.platform === 'linux')('a worker with trust policies', () => {
  test('runs actions in an image that is signed as required, and refuses others, naming the image and the reason', async () => {
    const { put, sign, open, reference } = await openTrust()
    const { digest } = await put('tools:1', 'signed\n')
    await put('tools:2', 'unsigned\n')
    await sign('tools:1')
    const { perform } = await open()
    expect(await perform(inImage(reference('tools:1')))).toMatchObject({ stdout: 'signed\n' })
    expect(await perform(inImage(reference(`tools@${digest}`)))).toMatchObject({ stdout: 'signed\n' })
    expect(await perform(inImage(reference('tools:2')))).toMatchObject(
      refused(/tools:2 cannot be used: it is unsigned: /),
    )
  })

  test('refuses an image that another key has signed', async () => {
    const [mine, theirs] = [await openTrust(), await openTrust()]
    const { reference, registry, put, open } = mine
    await put('tools:1', 'x')
    await theirs.put('tools:1', 'x')
    await theirs.sign('tools:1')
    for (const [name, manifest] of theirs.registry.manifests) registry.manifests.set(name, manifest)
    for (const [name, blob] of theirs.registry.blobs) registry.blobs.set(name, blob)
    const { perform } = await open()
    expect(await perform(inImage(reference('tools:1')))).toMatchObject(
      refused(/tools:1 cannot be used: it is signed, but not as required: /),
    )
  })

  test('refuses what no policy is for, also an image that it has by another name, and its own default image', async () => {
    const { put, sign, open, reference, registry } = await openTrust()
    const image = await put('tools:1', 'signed\n')
    publish(registry, 'other', '1', image)
    await sign('tools:1')
    const { perform } = await open({ default: reference('other:1') })
    const nobody = refused(/other.* cannot be used: nothing says whose signature counts for it/)
    expect(await perform(inImage(reference('tools:1')))).toMatchObject({ stdout: 'signed\n' })
    expect(await perform(inImage(reference(`other@${image.digest}`)))).toMatchObject(nobody)
    expect(await perform(greet)).toMatchObject(nobody)
  })

  test('does not use an image that was unpacked before there were policies', async () => {
    const { put, open, reference } = await openTrust()
    const { digest } = await put('tools:1', 'unsigned\n')
    const named = inImage(reference(`tools@${digest}`))
    expect(await (await open({ policies: [] })).perform(named)).toMatchObject({ stdout: 'unsigned\n' })
    expect(await (await open()).perform(named)).toMatchObject(refused('it is unsigned'))
  })

  test('takes out of a signed index the image for this machine, also once it has to be fetched again', async () => {
    const { put, sign, open, reference, registry } = await openTrust()
    const { manifest, digest } = await put('tools:image', 'signed\n', 4e6)
    const other = await put('tools:other', 'other\n', 4e6)
    const type = 'application/vnd.oci.image.index.v1+json'
    const platform = { os: 'linux', architecture: process.arch === 'x64' ? 'amd64' : process.arch }
    const entry = {
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      digest,
      size: manifest.byteLength,
      platform,
    }
    const index = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: type, manifests: [entry] }))
    for (const name of ['1', sha256(index)]) registry.manifests.set(`tools:${name}`, { type, bytes: index })
    await sign('tools:1')
    await sign(`tools@${other.digest}`)
    // There is room for one of the two, and for the layer that both have.
    const { perform } = await open({ size: shellLayer.byteLength + 5e6 })
    expect(await perform(inImage(reference('tools:1')))).toMatchObject({ stdout: 'signed\n' })
    expect(await perform(inImage(reference(`tools@${other.digest}`)))).toMatchObject({ stdout: 'other\n' })
    expect(await perform(inImage(reference('tools:1')))).toMatchObject({ stdout: 'signed\n' })
    expect(await perform(inImage(reference('tools:image')))).toMatchObject(refused('it is unsigned'))
  })

  test('refuses images in places that have no signatures', async () => {
    const { folder, open } = await openTrust()
    await writeLayout(join(folder, 'layout'), imageOf([shellLayer]))
    const { perform } = await open()
    expect(await perform(inImage(`oci:${folder}/layout`))).toMatchObject(refused('only registries have signatures'))
  })

  test('does not start with a file of policies that cannot be read', async () => {
    const { folder } = await openTrust()
    await expect(assertPolicies([join(folder, 'missing.yaml')])).rejects.toMatchObject({ kind: 'not-found' })
    writeFileSync(join(folder, 'wrong.yaml'), 'policies: [{ images: [a] }]\n')
    await expect(assertPolicies([join(folder, 'wrong.yaml')])).rejects.toMatchObject({ kind: 'invalid' })
  })
})
