import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type SignatureForm, signImage } from '../../../src/cli/image/sign/sign.ts'
import { parseRegistryReference } from '../../../src/image/reference.ts'
import { testImageContext } from '../../fixture/image-context.ts'
import { createWorkdir, have } from '../../fixture/real.ts'
import { startDockerRegistry } from '../image/docker-registry.ts'
import { cosign2, haveTrixie, pushImage, verify } from './cosign.ts'

// What we sign, in Debian's docker-registry, judged by real cosign and by ourselves.

const canRun = (await have('docker-registry', 'skopeo', 'openssl')) && (await haveTrixie())
const canRun3 = canRun && (await have('sid:cosign'))

const keyless = {
  identityToken: undefined,
  fulcioUrl: undefined,
  rekorUrl: undefined,
  timestampUrl: undefined,
  env: {},
}

async function signed(key: readonly string[], forms: readonly SignatureForm[], passphrase?: string) {
  const work = createWorkdir()
  onTestFinished(() => work.remove())
  const { host } = await startDockerRegistry(work.path)
  const image = `${host}/app:1`
  const digest = await pushImage(work.path, image)
  await execa('openssl', ['genpkey', ...key, '-out', join(work.path, 'key.pem')])
  const pass = passphrase === undefined ? [] : ['-passin', `pass:${passphrase}`]
  await execa('openssl', [
    'pkey',
    '-in',
    join(work.path, 'key.pem'),
    ...pass,
    '-pubout',
    '-out',
    join(work.path, 'key.pub'),
  ])
  const around = testImageContext(work.path)
  const request = { key: join(work.path, 'key.pem'), passphrase, keyless, annotations: { env: 'prod' }, forms }
  const found = await signImage(parseRegistryReference(image), request, around)
  expect(found.digest).toBe(digest)
  return { work, image, digest, found, request, around }
}

const curve = (name: string) => ['-algorithm', 'EC', '-pkeyopt', `ec_paramgen_curve:${name}`]
const rsa = ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048']
const keys = [
  ['P-256', curve('P-256')],
  ['P-384', curve('P-384')],
  ['P-521', curve('P-521')],
  ['RSA', rsa],
] as const
const flags = ['--key', 'key.pub', '--insecure-ignore-tlog=true', '--allow-http-registry']

async function ours(folder: string, image: string) {
  const asked = { key: join(folder, 'key.pub'), 'insecure-ignore-tlog': true, annotations: ['env=prod'] }
  return (await verify(folder, image, asked)).verdict
}

describe.runIf(canRun)('an image that we signed', () => {
  it.each(keys)('with a key (%s) is verified by cosign 2, and by us', async (_, key) => {
    const { work, image, digest } = await signed(key, ['tag'])
    expect(await cosign2(work.path, ['verify', ...flags, '-a', 'env=prod', image])).toMatchObject({ exitCode: 0 })
    expect(await cosign2(work.path, ['verify', ...flags, '-a', 'env=dev', image])).not.toMatchObject({ exitCode: 0 })
    expect(await ours(work.path, image)).toMatchObject({
      answer: 'verified',
      digest,
      signatures: [{ form: 'simple-signing' }],
    })
  })

  it('beside what cosign 2 signed leaves that, and counts as another signer', async () => {
    const { work, image, digest, request, around } = await signed(curve('P-256'), ['tag'])
    await cosign2(work.path, ['generate-key-pair'])
    const plain = ['--tlog-upload=false', '--allow-http-registry', '-y']
    await cosign2(work.path, ['sign', ...plain, '--key', 'cosign.key', `${image.replace(/:1$/, '')}@${digest}`])
    await signImage(parseRegistryReference(image), request, around)
    for (const key of ['key.pub', 'cosign.pub'])
      expect(await cosign2(work.path, ['verify', ...flags.slice(2), '--key', key, image])).toMatchObject({
        exitCode: 0,
      })
  })

  it('with an encrypted key needs its passphrase', async () => {
    const { request, around, image } = await signed(
      [...curve('P-256'), '-aes256', '-pass', 'pass:word'],
      ['tag'],
      'word',
    )
    for (const passphrase of [undefined, 'wrong'])
      await expect(signImage(parseRegistryReference(image), { ...request, passphrase }, around)).rejects.toMatchObject({
        kind: 'denied',
        next: [expect.stringContaining('COSIGN_PASSWORD')],
      })
  })

  it.each([
    ['a public key', 'key.pub', 'invalid'],
    ["cosign's own encryption", 'cosign.key', 'unimplemented'],
    ['no key', 'none.pem', 'not-found'],
    ['something else', 'registry.yml', 'invalid'],
  ])('is not signed with %s, and the advice is one that works', async (_, file, kind) => {
    const { work, request, around, image } = await signed(curve('P-256'), ['tag'])
    await cosign2(work.path, ['generate-key-pair'])
    const signing = signImage(parseRegistryReference(image), { ...request, key: join(work.path, file) }, around)
    await expect(signing).rejects.toMatchObject({ kind })
  })
})

describe.runIf(canRun3)('an image that we signed, for cosign 3,', () => {
  it.each(keys)('with a key (%s) is verified by it, and by us', async (_, key) => {
    const { work, image, digest } = await signed(key, ['referrer'])
    const { exitCode, all } = await work.chroot(['cosign', 'verify', ...flags, image])
    expect({ exitCode, all }).toMatchObject({ exitCode: 0 })
    expect(all).toContain('https://sigstore.dev/cosign/sign/v1')
    expect(await ours(work.path, image)).toMatchObject({ answer: 'verified', digest, signatures: [{ form: 'bundle' }] })
    await writeFile(join(work.path, 'other.pub'), (await otherKey()) ?? '')
    const other = await work.chroot(['cosign', 'verify', ...flags.slice(2), '--key', 'other.pub', image])
    expect(other.exitCode).not.toBe(0)
  })
})

async function otherKey(): Promise<string> {
  const { generateKeyPairSync } = await import('node:crypto')
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return publicKey.export({ type: 'spki', format: 'pem' }).toString()
}
