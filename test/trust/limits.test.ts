import { describe, expect, it } from 'vitest'
import { Failure } from '../../src/core/failure.ts'
import { attachmentsMax, logEntriesMax, signatureBytesMax, timestampsMax } from '../../src/trust/limits.ts'
import { asked, askedByKey, deployment, emptyRepository, goodBundle, goodSimple, repository } from './fixture/attack.ts'
import { keyPair } from './fixture/deployment.ts'
import { asBundle, asLayer, type bundleOf, signSimple, simplePayload } from './fixture/signing.ts'

describe('a repository full of rubbish (GHSA-vfp6-jrw2-99g9, GHSA-88jx-383q-w4qc, GHSA-95pr-fxf5-86gv)', () => {
  it('more signatures than are looked at are not looked at', async () => {
    const layer = asLayer(signSimple(simplePayload(repository.digest), keyPair().privateKey))
    repository.tag(Array.from({ length: attachmentsMax + 1 }, () => layer))
    expect(await askedByKey()).toMatchObject({ answer: 'unsigned', message: expect.stringContaining('at most') })
    expect(repository.read).toEqual([])
  })

  it('more referrers than are looked at are not opened', async () => {
    for (let at = 0; at <= attachmentsMax; at += 1) repository.refer([], { annotations: { at: String(at) } })
    expect(await askedByKey()).toMatchObject({ answer: 'unsigned' })
    const message = 'more than 1024 manifests refer to it'
    repository.fail('referrers', new Failure('exhausted', message))
    expect(await askedByKey()).toMatchObject({ answer: 'unsigned', message })
  })

  it('a signature that says it is large is not fetched', async () => {
    repository.tag([{ ...asLayer(await goodSimple()), bytes: Buffer.alloc(signatureBytesMax + 1) }])
    expect(await askedByKey()).toMatchObject({ answer: 'unsigned', rejected: [{ reason: 'malformed' }] })
    expect(repository.read).toEqual([])
  })

  it('a bundle with more log entries than are verified is refused before any is', async () => {
    const { bundle } = await goodBundle()
    const [entry] = bundle.verificationMaterial.tlogEntries
    if (!entry) throw new Error('the bundle has no entry')
    bundle.verificationMaterial.tlogEntries = Array.from({ length: logEntriesMax + 1 }, () => entry)
    repository.refer([asBundle(bundle)])
    expect(await asked()).toMatchObject({ answer: 'unsigned', rejected: [{ reason: 'malformed' }] })
  })

  it('a bundle with more timestamps than are verified is refused before any is', async () => {
    const { bundle, signed } = await goodBundle()
    const stamps = await Promise.all(
      Array.from({ length: timestampsMax + 1 }, () => deployment.stamp(signed.signature)),
    )
    bundle.verificationMaterial['timestampVerificationData'] = {
      rfc3161Timestamps: stamps.map((each) => ({ signedTimestamp: each.toString('base64') })),
    }
    repository.refer([asBundle(bundle)])
    expect(await asked()).toMatchObject({ answer: 'unsigned', message: expect.stringContaining(String(timestampsMax)) })
  })

  it('an annotation with more bytes than a signature has is refused', async () => {
    const layer = asLayer(await goodSimple())
    const key = 'dev.sigstore.cosign/bundle'
    const annotations = { ...layer.annotations, [key]: `${layer.annotations?.[key]}${' '.repeat(1024 * 1024)}` }
    repository.tag([{ ...layer, annotations }])
    expect(await askedByKey()).toMatchObject({ answer: 'unsigned', rejected: [{ reason: 'malformed' }] })
  })

  it('the same entry twice counts once, and is refused', async () => {
    const { bundle } = await goodBundle()
    bundle.verificationMaterial.tlogEntries.push(...bundle.verificationMaterial.tlogEntries)
    repository.refer([asBundle(bundle)])
    expect(await asked()).toMatchObject({ answer: 'tampered' })
  })
})

it.each([
  ['wrapped at 64', (text: string) => text.replace(/(.{64})/g, '$1\n')],
  ['wrapped at 76, as a mail', (text: string) => `${text.replace(/(.{76})/g, '$1\r\n')}\r\n`],
  ['in the alphabet for addresses', (text: string) => text.replaceAll('+', '-').replaceAll('/', '_')],
  ['without its padding', (text: string) => text.replace(/=+$/, '')],
])('base64 %s is read', async (_, written) => {
  const layer = asLayer(await goodSimple())
  const key = 'dev.cosignproject.cosign/signature'
  const signature = layer.annotations?.[key] ?? ''
  repository.tag([{ ...layer, annotations: { ...layer.annotations, [key]: written(signature) } }])
  expect(await askedByKey()).toMatchObject({ answer: 'verified' })
})

it('base64 with anything else in it is not read', async () => {
  const layer = asLayer(await goodSimple())
  const key = 'dev.cosignproject.cosign/signature'
  const signature = layer.annotations?.[key] ?? ''
  for (const text of [
    `${signature}=`,
    signature.replace('M', 'M!'),
    `${signature.slice(0, 8)} ${signature.slice(8)}`,
    `${signature.slice(0, 8)}\\n${signature.slice(8)}`,
    '',
  ]) {
    repository.tag([{ ...layer, annotations: { ...layer.annotations, [key]: text } }])
    expect(await askedByKey()).toMatchObject({ answer: 'unsigned', rejected: [{ reason: 'malformed' }] })
  }
})

it('bytes that a stranger made up never end in anything but a verdict', async () => {
  const { bundle, certificate } = await goodBundle()
  const material = bundle.verificationMaterial
  const broken = (change: (copy: ReturnType<typeof bundleOf>) => void): Buffer => {
    const copy = structuredClone(bundle)
    change(copy)
    return asBundle(copy).bytes
  }
  const raw = (bytes: Buffer) => ({ rawBytes: bytes.toString('base64') })
  const variants = [
    broken((each) => Object.assign(each.verificationMaterial, { certificate: raw(Buffer.from('x')) })),
    broken((each) => Object.assign(each.verificationMaterial, { certificate: raw(certificate.subarray(0, 200)) })),
    broken((each) => Object.assign(each.verificationMaterial, { certificate: raw(Buffer.from([0x30, 0])) })),
    broken((each) => Object.assign(each.verificationMaterial, { certificate: undefined, publicKey: { hint: 'x' } })),
    ...['e30=', '', '!', 'bnVsbA=='].map((body) =>
      broken((each) =>
        each.verificationMaterial.tlogEntries.map((entry) => Object.assign(entry, { canonicalizedBody: body })),
      ),
    ),
    // The last but one is a whole number of milliseconds, and later than any date.
    ...['x', '-1', '8900000000000', '9'.repeat(40)].map((time) =>
      broken((each) =>
        each.verificationMaterial.tlogEntries.map((entry) => Object.assign(entry, { integratedTime: time })),
      ),
    ),
    broken((each) =>
      Object.assign(each.verificationMaterial, {
        timestampVerificationData: { rfc3161Timestamps: [{ signedTimestamp: 'MAA=' }] },
      }),
    ),
    Buffer.from('{"mediaType":1}'),
    Buffer.from(JSON.stringify({ ...bundle, verificationMaterial: { ...material, tlogEntries: 7 } })),
  ]
  for (const bytes of variants) {
    emptyRepository()
    repository.refer([{ ...asBundle({}), bytes }])
    expect((await asked()).answer).toMatch(/^(tampered|unsigned|expired|wrong-identity)$/)
  }
})
