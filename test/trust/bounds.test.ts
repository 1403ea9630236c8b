import { describe, expect, it } from 'vitest'
import {
  attachedManifestsMax,
  attestationBytesMax,
  certificateBytesMax,
  chainMax,
  nameCharactersMax,
  namesMax,
  notesMax,
  partBytesMax,
  proofHashesMax,
  subjectsMax,
  valuesMax,
} from '../../src/trust/limits.ts'
import { ask, identityRule, keyRule } from './fixture/asking.ts'
import { asked, deployment, emptyRepository, goodBundle, keys, repository, signer } from './fixture/attack.ts'
import { withNames } from './fixture/certificate.ts'
import { asBundle, bundleOf, cosignSign, recorded, signStatement, statement } from './fixture/signing.ts'

// Each bound on its own: what is just within it is verified, what is just beyond it is refused.

const tooMuch = (most: number) => ({ answer: 'unsigned', message: expect.stringContaining(String(most)) })

async function judged(bundle: object) {
  emptyRepository()
  repository.refer([asBundle(bundle)])
  return asked()
}

describe('an image may have', () => {
  it('so many manifests that refer to it', async () => {
    repository.refer([asBundle((await goodBundle()).bundle)])
    for (let at = 1; at < attachedManifestsMax; at += 1) repository.refer([], { annotations: { at: String(at) } })
    expect(await asked()).toMatchObject({ answer: 'verified' })
    repository.refer([], { annotations: { at: 'last' } })
    expect(await asked()).toMatchObject(tooMuch(attachedManifestsMax))
    expect(repository.opened).toHaveLength(attachedManifestsMax)
  })

  it('an attestation of so many bytes, which is not fetched otherwise', async () => {
    const bytes = Buffer.alloc(attestationBytesMax + 1)
    repository.refer([{ ...asBundle({}), bytes }])
    const wanted = { kind: 'attestation', predicateType: cosignSign } as const
    const askedFor = () => ask(repository.source, deployment.root, [signer], { wanted })
    expect(await askedFor()).toMatchObject(tooMuch(attestationBytesMax))
    expect(repository.read).toEqual([])
    emptyRepository()
    repository.refer([{ ...asBundle({}), bytes: bytes.subarray(1) }])
    expect(await askedFor()).toMatchObject({ answer: 'unsigned', message: expect.stringContaining('not JSON') })
  })
})

describe('a bundle may have', () => {
  it('a certificate of so many bytes', async () => {
    const { bundle, certificate } = await goodBundle()
    const padded = Buffer.concat([certificate, Buffer.alloc(certificateBytesMax + 1 - certificate.length)])
    bundle.verificationMaterial['certificate'] = { rawBytes: padded.toString('base64') }
    expect(await judged(bundle)).toMatchObject({ answer: 'unsigned', message: expect.stringContaining('too large') })
  })

  it('so many certificates in a chain, of which only the first counts', async () => {
    const { bundle, certificate } = await goodBundle()
    const each = { rawBytes: certificate.toString('base64') }
    const chained = (count: number) => ({
      ...bundle,
      mediaType: 'application/vnd.dev.sigstore.bundle+json;version=0.2',
      verificationMaterial: {
        tlogEntries: bundle.verificationMaterial.tlogEntries,
        x509CertificateChain: { certificates: Array.from({ length: count }, () => each) },
      },
    })
    expect(await judged(chained(chainMax))).toMatchObject({ answer: 'verified' })
    expect(await judged(chained(chainMax + 1))).toMatchObject(tooMuch(chainMax))
  })

  it('a proof of so many hashes, and texts of so many bytes', async () => {
    const { bundle } = await goodBundle()
    const [entry] = bundle.verificationMaterial.tlogEntries
    if (!entry) throw new Error('the bundle has no entry')
    const { hashes, checkpoint } = entry.inclusionProof
    entry.inclusionProof.hashes = Array.from({ length: proofHashesMax + 1 }, () => 'AAAA')
    expect(await judged(bundle)).toMatchObject(tooMuch(proofHashesMax))
    entry.inclusionProof.hashes = hashes
    entry.inclusionProof.checkpoint = { envelope: checkpoint.envelope.padEnd(partBytesMax + 1) }
    expect(await judged(bundle)).toMatchObject(tooMuch(partBytesMax))
    entry.inclusionProof.checkpoint = checkpoint
    expect(await judged(bundle)).toMatchObject({ answer: 'verified' })
  })

  it('so many values, whatever they are', async () => {
    const { bundle } = await goodBundle()
    const own = JSON.stringify(bundle)
      .replace(/"(?:[^"\\]|\\.)*"/g, '')
      .replace(/[^,{[]/g, '').length
    // A list of n values takes its own, and n - 1 commas beside the one before its name.
    const withValues = (count: number) => ({ ...bundle, unknown: Array.from({ length: count - own - 2 }, () => 0) })
    expect(await judged(withValues(valuesMax))).toMatchObject({ answer: 'verified' })
    expect(await judged(withValues(valuesMax + 1))).toMatchObject(tooMuch(valuesMax))
  })
})

describe('a certificate may have', () => {
  const urls = (count: number, length = 30) =>
    Array.from({ length: count }, (_, at) => `https://example.com/${at}`.padEnd(length, 'x'))
  const askedOf = async (names: readonly string[]) => {
    const { publicKey } = keys
    const issued = await deployment.certificate({ publicKey, identity: 'https://example.com', sct: false })
    const certificate = deployment.reissued(issued, (each) => withNames(each, names))
    emptyRepository()
    repository.refer([asBundle((await goodBundle(certificate)).bundle)])
    return ask(repository.source, deployment.root, [identityRule(names[0] ?? '')], { sctRequired: false })
  }

  it('so many names', async () => {
    expect(await askedOf(urls(namesMax))).toMatchObject({ answer: 'verified' })
    expect(await askedOf(urls(namesMax + 1))).toMatchObject(tooMuch(namesMax))
  })

  it('names of so many characters', async () => {
    expect(await askedOf(urls(1, nameCharactersMax))).toMatchObject({ answer: 'verified' })
    expect(await askedOf(urls(1, nameCharactersMax + 1))).toMatchObject({ answer: 'unsigned' })
  })
})

describe('a statement may have', () => {
  const attested = async (change: (statement: { subject: object[] }) => void) => {
    const whole = JSON.parse(statement(repository.digest).toString()) as { subject: object[] }
    change(whole)
    const signed = signStatement(Buffer.from(JSON.stringify(whole)), keys.privateKey)
    emptyRepository()
    repository.refer([
      asBundle(bundleOf({ ...signed, entry: await recorded(deployment, signed, keys.publicKey, { kind: 'dsse' }) })),
    ])
    return ask(repository.source, deployment.root, [keyRule(keys.publicKey)])
  }
  const others = (count: number) => Array.from({ length: count }, (_, at) => ({ digest: { sha256: String(at) } }))
  const notes = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, at) => [`note${at}`, '']))

  it('so many subjects', async () => {
    expect(await attested((each) => each.subject.push(...others(subjectsMax - 1)))).toMatchObject({
      answer: 'verified',
    })
    expect(await attested((each) => each.subject.push(...others(subjectsMax)))).toMatchObject(tooMuch(subjectsMax))
  })

  it('so many annotations of one', async () => {
    const annotated = (count: number) =>
      attested((each) => Object.assign(each.subject[0] ?? {}, { annotations: notes(count) }))
    expect(await annotated(notesMax)).toMatchObject({ answer: 'verified' })
    expect(await annotated(notesMax + 1)).toMatchObject({ answer: 'unsigned', rejected: [{ reason: 'malformed' }] })
  })
})
