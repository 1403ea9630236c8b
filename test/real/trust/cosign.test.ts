import { generateKeyPairSync } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { testFolder } from '../../fixture/folder.ts'
import { createWorkdir, have } from '../../fixture/real.ts'
import { startDockerRegistry } from '../image/docker-registry.ts'
import { cosign2, flipped, haveTrixie, pushImage, verify } from './cosign.ts'

// Signatures that real cosign makes with keys, in Debian's docker-registry, which has no
// referrers API: cosign 3 falls back to the tag then, and so do we.

const canRun = (await have('docker-registry', 'skopeo')) && (await haveTrixie())
const canRun3 = canRun && (await have('sid:cosign'))
const plain = ['--tlog-upload=false', '--allow-http-registry', '-y']
const plain3 = [...plain, '--use-signing-config=false']
const byKey = { key: 'cosign.pub', 'insecure-ignore-tlog': true }

async function signedBy2(...extra: string[]) {
  const folder = await testFolder()
  const { host } = await startDockerRegistry(folder)
  const image = `${host}/app:1`
  const digest = await pushImage(folder, image)
  await cosignOk(folder, ['generate-key-pair'])
  await cosignOk(folder, ['sign', ...plain, '--key', 'cosign.key', ...extra, `${host}/app@${digest}`])
  const asked = (flags: Record<string, string | boolean | string[]> = {}, name = image) =>
    verify(folder, name, { ...byKey, key: join(folder, 'cosign.pub'), ...flags })
  return { folder, host, image, digest, asked }
}

async function cosignOk(folder: string, args: readonly string[], env: Record<string, string> = {}): Promise<void> {
  const done = await cosign2(folder, args, env)
  if (done.exitCode !== 0) throw new Error(`cosign ${args.join(' ')} ended with ${done.exitCode}: ${done.all}`)
}

describe.runIf(canRun)('signed by cosign 2', () => {
  it('verifies, and names the digest to deploy by', async () => {
    const { asked, digest, image } = await signedBy2('-a', 'env=prod')
    const { verdict, warnings } = await asked({ annotations: ['env=prod'] })
    expect(verdict).toMatchObject({ answer: 'verified', digest, image, signatures: [{ annotations: { env: 'prod' } }] })
    expect(warnings).toHaveLength(1)
  })

  it('does not without the entry in a log that it lacks', async () => {
    const { asked } = await signedBy2()
    expect((await asked({ 'insecure-ignore-tlog': false })).verdict).toMatchObject({
      answer: 'unsigned',
      rejected: [{ reason: 'unlogged' }],
    })
  })

  it('does not with another key, another annotation, a moved tag, a tag that is not there: each its own answer', async () => {
    const { asked, folder, host, image } = await signedBy2('-a', 'env=prod')
    await cosignOk(folder, ['generate-key-pair', '--output-key-prefix', 'other'])
    expect((await asked({ key: join(folder, 'other.pub') })).verdict).toMatchObject({ answer: 'wrong-identity' })
    expect((await asked({ annotations: ['env=dev'] })).verdict).toMatchObject({ answer: 'wrong-identity' })
    expect((await asked({}, `${host}/app:2`)).verdict).toMatchObject({ answer: 'not-found' })
    await pushImage(folder, image, 'another image')
    expect((await asked()).verdict).toMatchObject({ answer: 'unsigned' })
    expect((await asked({}, 'localhost:1/app:1')).verdict).toMatchObject({ answer: 'unreachable' })
    expect((await verify(folder, image, {})).verdict).toMatchObject({ answer: 'policy-missing' })
  })

  it('is tampered with when one byte of the stored signature is another', async () => {
    const { asked, folder } = await signedBy2()
    await flipped(folder, 'cosign container image signature', 'cosign container imagf signature')
    expect((await asked()).verdict).toMatchObject({ answer: 'tampered', rejected: [{ reason: 'forged' }] })
  })

  it('is tampered with when one byte of the stored manifest is another', async () => {
    const { asked, folder, host, digest } = await signedBy2()
    await flipped(
      folder,
      '"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config',
      '"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.imagf.config',
    )
    expect((await asked({}, `${host}/app@${digest}`)).verdict).toMatchObject({ answer: 'tampered' })
  })

  it('verifies as an OCI 1.1 referrer', async () => {
    const folder = await testFolder()
    const { host } = await startDockerRegistry(folder)
    const digest = await pushImage(folder, `${host}/app:1`)
    await cosignOk(folder, ['generate-key-pair'])
    const referrers = ['--registry-referrers-mode', 'oci-1-1']
    const target = `${host}/app@${digest}`
    await cosignOk(folder, ['sign', ...plain, ...referrers, '--key', 'cosign.key', target], {
      COSIGN_EXPERIMENTAL: '1',
    })
    const { verdict } = await verify(folder, `${host}/app:1`, { ...byKey, key: join(folder, 'cosign.pub') })
    expect(verdict).toMatchObject({
      answer: 'verified',
      signatures: [{ form: 'simple-signing', where: expect.stringMatching(/^sha256:/) }],
    })
  })

  it('verifies with an imported Ed25519 key', async () => {
    const folder = await testFolder()
    const { host } = await startDockerRegistry(folder)
    const { privateKey } = generateKeyPairSync('ed25519')
    await writeFile(join(folder, 'ed25519.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }))
    await cosignOk(folder, ['import-key-pair', '--key', 'ed25519.pem', '--output-key-prefix', 'cosign'])
    const digest = await pushImage(folder, `${host}/app:1`)
    await cosignOk(folder, ['sign', ...plain, '--key', 'cosign.key', `${host}/app@${digest}`])
    const { verdict } = await verify(folder, `${host}/app:1`, { ...byKey, key: join(folder, 'cosign.pub') })
    expect(verdict).toMatchObject({ answer: 'verified' })
  })

  it('attests by type', async () => {
    const { asked, folder, host, digest } = await signedBy2()
    await writeFile(join(folder, 'predicate.json'), '{"a":1}')
    const attest = ['attest', ...plain, '--key', 'cosign.key', '--type', 'custom', '--predicate', 'predicate.json']
    await cosignOk(folder, [...attest, `${host}/app@${digest}`])
    expect((await asked({ type: 'custom' })).verdict).toMatchObject({
      answer: 'verified',
      signatures: [{ form: 'dsse', predicateType: 'https://cosign.sigstore.dev/attestation/v1' }],
    })
    expect((await asked({ type: 'spdx' })).verdict).toMatchObject({ answer: 'unsigned' })
  })

  it('by two keys, where a policy wants both', async () => {
    const { folder, host, image, digest } = await signedBy2()
    await cosignOk(folder, ['generate-key-pair', '--output-key-prefix', 'other'])
    const policy = join(folder, 'policy.yaml')
    const signers = '[{key: cosign.pub}, {key: other.pub}]'
    await writeFile(policy, `policies: [{images: ['localhost:*/app'], log: ignored, signers: ${signers}}]\n`)
    const asked = () => verify(folder, image, { policy: [policy] })
    expect(await asked()).toMatchObject({ policy, verdict: { answer: 'wrong-identity' } })
    await cosignOk(folder, ['sign', ...plain, '--key', 'other.key', `${host}/app@${digest}`])
    const { verdict } = await asked()
    expect(verdict.answer === 'verified' && verdict.signatures).toHaveLength(2)
  })
})

describe.runIf(canRun3)('signed by cosign 3, as bundles', () => {
  it('verifies, by annotation and by type, and tells what it is not', async () => {
    const { work, host, image, digest, cosign3 } = await begin()
    const asked = (flags: Record<string, string | boolean | string[]> = {}) =>
      verify(work.path, image, { ...byKey, key: join(work.path, 'cosign.pub'), ...flags })
    const target = `${host}/app@${digest}`
    await cosign3('generate-key-pair')
    await writeFile(join(work.path, 'predicate.json'), '{"a":1}')
    const predicate = ['--type', 'custom', '--predicate', 'predicate.json']
    await cosign3('attest', ...plain3, '--key', 'cosign.key', ...predicate, target)
    // An attestation alone is not a signature.
    expect((await asked()).verdict).toMatchObject({ answer: 'unsigned' })
    await cosign3('sign', ...plain3, '--key', 'cosign.key', '-a', 'env=prod', target)

    expect((await asked({ annotations: ['env=prod'] })).verdict).toMatchObject({
      answer: 'verified',
      digest,
      signatures: [{ form: 'bundle', predicateType: 'https://sigstore.dev/cosign/sign/v1' }],
    })
    expect((await asked({ annotations: ['env=dev'] })).verdict).toMatchObject({ answer: 'wrong-identity' })
    expect((await asked({ type: 'custom' })).verdict).toMatchObject({ answer: 'verified' })
    expect((await asked({ type: 'slsaprovenance1' })).verdict).toMatchObject({ answer: 'unsigned' })

    await cosignOk(work.path, ['generate-key-pair', '--output-key-prefix', 'other'])
    expect((await asked({ key: join(work.path, 'other.pub') })).verdict).toMatchObject({ answer: 'wrong-identity' })
    const payloadType = '"payloadType":"application/vnd.in-toto+json"'
    await flipped(work.path, payloadType, payloadType.replace('toto', 'tot0'))
    expect((await asked()).verdict).toMatchObject({ answer: 'tampered', rejected: [{ reason: 'forged' }] })
  })

  it('verifies with keys of every kind', async () => {
    const { work, host, cosign3 } = await begin()
    const kinds = {
      rsa: generateKeyPairSync('rsa', { modulusLength: 2048 }),
      p384: generateKeyPairSync('ec', { namedCurve: 'P-384' }),
      p521: generateKeyPairSync('ec', { namedCurve: 'P-521' }),
      ed25519: generateKeyPairSync('ed25519'),
    }
    for (const [kind, { privateKey }] of Object.entries(kinds)) {
      await writeFile(join(work.path, `${kind}.pem`), privateKey.export({ type: 'pkcs8', format: 'pem' }))
      await cosign3('import-key-pair', '--key', `${kind}.pem`, '--output-key-prefix', kind)
      const digest = await pushImage(work.path, `${host}/${kind}:1`)
      await cosign3('sign', ...plain3, '--key', `${kind}.key`, `${host}/${kind}@${digest}`)
      const { verdict } = await verify(work.path, `${host}/${kind}:1`, {
        ...byKey,
        key: join(work.path, `${kind}.pub`),
      })
      expect({ kind, verdict }).toMatchObject({ kind, verdict: { answer: 'verified' } })
    }
  })

  it('verifies with an Ed25519 key (Ed25519ph) in every form, and tells what it is not', async () => {
    const { work, host, cosign3, importEd25519 } = await begin()
    const key = await importEd25519('ed25519')
    const other = await importEd25519('other')
    await writeFile(join(work.path, 'predicate.json'), '{"a":1}')
    const attest = ['attest', '--type', 'custom', '--predicate', 'predicate.json']
    const forms = [
      { form: 'bundle', command: ['sign'], flags: {} },
      { form: 'simple-signing', command: ['sign', '--new-bundle-format=false'], flags: {} },
      { form: 'bundle', command: attest, flags: { type: 'custom' } },
      { form: 'dsse', command: [...attest, '--new-bundle-format=false'], flags: { type: 'custom' } },
    ]
    for (const [index, { form, command, flags }] of forms.entries()) {
      const image = `${host}/form${index}:1`
      const digest = await pushImage(work.path, image)
      await cosign3(...command, ...plain3, '--key', 'ed25519.key', `${host}/form${index}@${digest}`)
      const asked = async (by: string) => (await verify(work.path, image, { ...byKey, key: by, ...flags })).verdict
      expect(await asked(key)).toMatchObject({ answer: 'verified', digest, signatures: [{ form }] })
      expect(await asked(other)).toMatchObject({ answer: 'wrong-identity' })
    }
    for (const [name, from, to] of [
      ['form0', '"payloadType":"application/vnd.in-toto+json"', '"payloadType":"application/vnd.in-tot0+json"'],
      ['form1', 'cosign container image signature', 'cosign container imagf signature'],
    ] as const) {
      await flipped(work.path, from, to)
      const { verdict } = await verify(work.path, `${host}/${name}:1`, { ...byKey, key })
      expect(verdict).toMatchObject({ answer: 'tampered', rejected: [{ reason: 'forged' }] })
    }
  })
})

async function begin() {
  const work = createWorkdir()
  onTestFinished(() => work.remove())
  const { host } = await startDockerRegistry(work.path)
  const image = `${host}/app:1`
  const cosign3 = async (...args: string[]): Promise<void> => {
    const done = await work.chroot(['env', 'COSIGN_PASSWORD=', 'cosign', ...args])
    if (done.exitCode !== 0) throw new Error(`cosign ${args.join(' ')} ended with ${done.exitCode}: ${done.all}`)
  }
  /** Gives cosign a fresh Ed25519 key under this name; answers the file of its public half. */
  const importEd25519 = async (name: string): Promise<string> => {
    const { privateKey } = generateKeyPairSync('ed25519')
    await writeFile(join(work.path, `${name}.pem`), privateKey.export({ type: 'pkcs8', format: 'pem' }))
    await cosign3('import-key-pair', '--key', `${name}.pem`, '--output-key-prefix', name)
    return join(work.path, `${name}.pub`)
  }
  return { work, host, image, digest: await pushImage(work.path, image), cosign3, importEd25519 }
}
