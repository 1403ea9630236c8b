import { X509Certificate } from '@sigstore/core'
import { describe, expect, it } from 'vitest'
import { ask, keyRule } from './fixture/asking.ts'
import {
  asked,
  askedByKey,
  deployment,
  emptyRepository,
  goodBundle,
  goodSimple,
  goodStatement,
  hour,
  keys,
  repository,
  workflow,
} from './fixture/attack.ts'
import { endAt } from './fixture/certificate.ts'
import { chained } from './fixture/chain.ts'
import { keyPair } from './fixture/deployment.ts'
import { naive } from './fixture/naive.ts'
import { sha256 } from './fixture/repository.ts'
import {
  asBundle,
  asDsseLayer,
  asLayer,
  bundleOf,
  recorded,
  signSimple,
  signStatement,
  simplePayload,
  statement,
} from './fixture/signing.ts'

const custom = 'https://cosign.sigstore.dev/attestation/v1'
const slsa = 'https://slsa.dev/provenance/v1'

/** What is said of the image when an attestation of a type is wanted, by the key. */
function askedFor(predicateType: string) {
  const wanted = { kind: 'attestation', predicateType } as const
  return ask(repository.source, deployment.root, [keyRule(keys.publicKey)], { wanted })
}

describe('cosign', () => {
  it('CVE-2026-22703: an entry of the log for something else does not stand in', async () => {
    const { signed, certificate } = await goodBundle()
    const others = signStatement(Buffer.from('{"something":"else"}'), keys.privateKey)
    const entry = await recorded(deployment, others, certificate, { kind: 'dsse' })
    const bundle = bundleOf({ ...signed, certificate, entry })
    expect(naive(bundle, deployment.root, { ignoresEntries: true })).toBe('accepted')
    repository.refer([asBundle(bundle)])
    expect(await asked()).toMatchObject({ answer: 'tampered' })
  })

  it('CVE-2026-22703: nor does it in a bundle by key, nor one of another’s key over the same', async () => {
    const signed = await goodStatement()
    const others = signStatement(Buffer.from('{"something":"else"}'), keys.privateKey)
    for (const entry of [
      await recorded(deployment, others, keys.publicKey, { kind: 'dsse' }),
      await recorded(deployment, { ...others, payload: signed.payload }, keys.publicKey, { kind: 'dsse' }),
      await recorded(deployment, { ...others, signature: signed.signature }, keys.publicKey, { kind: 'dsse' }),
      await recorded(deployment, signed, keyPair().publicKey, { kind: 'dsse' }),
    ]) {
      const bundle = bundleOf({ ...signed, entry })
      expect(naive(bundle, deployment.root, { rule: keyRule(keys.publicKey), ignoresEntries: true })).toBe('accepted')
      emptyRepository()
      repository.refer([asBundle(bundle)])
      expect(await askedByKey()).toMatchObject({ answer: 'tampered', rejected: [{ reason: 'forged' }] })
    }
  })

  it('CVE-2022-23649 (GHSA-ccxc-vr6p-4858): nor in the first form, with a key', async () => {
    const signed = await goodSimple()
    const others = signSimple(Buffer.from('something else'), keys.privateKey)
    for (const entry of [
      await recorded(deployment, others, keys.publicKey),
      await recorded(deployment, { ...others, payload: signed.payload }, keys.publicKey),
      await recorded(deployment, { ...others, signature: signed.signature }, keys.publicKey),
      await recorded(deployment, signed, keyPair().publicKey),
    ]) {
      repository.tag([asLayer({ ...signed, entry })])
      expect(await askedByKey()).toMatchObject({ answer: 'tampered', rejected: [{ reason: 'forged' }] })
    }
  })

  it('CVE-2022-36056: a wrong entry is refused even where no entry is needed', async () => {
    const signed = await goodSimple()
    const entry = await recorded(deployment, signSimple(Buffer.from('x'), keys.privateKey), keys.publicKey)
    repository.tag([asLayer({ ...signed, entry })])
    const rules = [keyRule(keys.publicKey)]
    expect(await ask(repository.source, deployment.root, rules, { logRequired: false })).toMatchObject({
      answer: 'tampered',
    })
  })

  it('CVE-2022-36056: an entry whose promise was not signed by the log is refused', async () => {
    const signed = await goodSimple()
    const entry = structuredClone(signed.entry)
    if (!entry?.verification) throw new Error('the entry has no promise')
    entry.integratedTime += 1
    repository.tag([asLayer({ ...signed, entry })])
    expect(await askedByKey()).toMatchObject({ answer: 'tampered' })
  })

  it('CVE-2022-36056: who vouches for the identity is compared too', async () => {
    const issuer = 'https://issuer.example'
    const certificate = await deployment.certificate({ publicKey: keys.publicKey, identity: workflow, issuer })
    repository.refer([asBundle((await goodBundle(certificate)).bundle)])
    expect(await asked()).toMatchObject({ answer: 'wrong-identity', found: [expect.stringContaining(issuer)] })
  })

  it('CVE-2026-24122: nor does one between the root and the signer that had expired', async () => {
    const { bundle, certificate } = await goodBundle()
    repository.refer([asBundle(bundle)])
    expect(await asked((await chained(deployment, () => undefined)).root)).toMatchObject({ answer: 'verified' })
    const { root, top, between } = await chained(deployment, (copy) => endAt(copy, new Date(Date.now() - hour)))
    expect(await asked(root)).toMatchObject({ answer: 'expired', message: expect.stringContaining('authority') })
    // One that looks at the ends of the chain only finds nothing wrong with it.
    const leaf = X509Certificate.parse(Buffer.from(certificate))
    expect(leaf.verify(between) && between.verify(top)).toBe(true)
    expect([leaf, between, top].map((each) => each.validForDate(new Date()))).toEqual([true, false, true])
  })

  it('CVE-2026-24122: an authority that had expired issues nothing', async () => {
    const { bundle } = await goodBundle()
    repository.refer([asBundle(bundle)])
    const expired = deployment.rootWith((root) => {
      for (const authority of root.certificateAuthorities)
        for (const each of authority.certChain?.certificates ?? [])
          each.rawBytes = deployment.reissued(each.rawBytes, (copy) => endAt(copy, new Date(Date.now() - hour)))
    })
    expect(await asked(expired)).toMatchObject({ answer: 'expired', rejected: [{ reason: 'expired' }] })
  })

  it('an expired certificate is told apart from a forged one', async () => {
    const { signed, certificate } = await goodBundle()
    const entry = await recorded(deployment, signed, certificate, { kind: 'dsse', time: new Date(Date.now() + hour) })
    repository.refer([asBundle(bundleOf({ ...signed, certificate, entry }))])
    expect(await asked()).toMatchObject({ answer: 'expired' })
  })

  it('CVE-2026-39395: a payload that cannot be read does not pass, however well it is signed', async () => {
    for (const payload of ['', 'no JSON', '[]', 'null', '{"critical":{}}', '\ufeff{}']) {
      emptyRepository()
      repository.tag([asLayer(await goodSimple(Buffer.from(payload)))])
      const { bundle } = await goodBundle(undefined, Buffer.from(payload))
      if (payload !== '') expect(naive(bundle, deployment.root)).toBe('accepted')
      repository.refer([asBundle(bundle)])
      const reasons = { payload, simple: (await askedByKey()).answer, bundle: (await asked()).answer }
      expect(reasons).toEqual({ payload, simple: 'unsigned', bundle: 'tampered' })
    }
  })

  it('CVE-2026-39395: nor does it as an attestation, whatever its type is', async () => {
    const marked = `\ufeff${statement(repository.digest, custom)}`
    for (const payload of ['no JSON', '[]', 'null', '{"predicateType":"x"}', marked]) {
      emptyRepository()
      const signed = await goodStatement(Buffer.from(payload))
      expect(naive(bundleOf(signed), deployment.root, { rule: keyRule(keys.publicKey) })).toBe('accepted')
      repository.tag([asDsseLayer(signed)], `${repository.digest.replace(':', '-')}.att`)
      for (const type of [custom, 'x'])
        expect({ payload, verdict: await askedFor(type) }).toMatchObject({
          verdict: { answer: 'unsigned', rejected: [{ reason: 'malformed' }] },
        })
    }
  })

  it('CVE-2022-35929: an attestation of another type is not the one that is asked for', async () => {
    const signed = await goodStatement(statement(repository.digest, custom))
    expect(naive(bundleOf(signed), deployment.root, { rule: keyRule(keys.publicKey) })).toBe('accepted')
    repository.tag([asDsseLayer(signed)], `${repository.digest.replace(':', '-')}.att`)
    expect(await askedFor(custom)).toMatchObject({ answer: 'verified' })
    expect(await askedFor(slsa)).toMatchObject({ answer: 'unsigned', rejected: [{ reason: 'unsupported' }] })
  })

  it('CVE-2022-35929: nor is it because of an annotation that nobody signed', async () => {
    const bundle = bundleOf(await goodStatement(statement(repository.digest, custom)))
    for (const [told, answers] of [
      [undefined, ['verified', 'unsigned']],
      [custom, ['verified', 'unsigned']],
      [slsa, ['unsigned', 'unsigned']],
    ] as const) {
      emptyRepository()
      const annotations = told === undefined ? {} : { 'dev.sigstore.bundle.predicateType': told }
      repository.refer([asBundle(bundle)], { annotations })
      expect([(await askedFor(custom)).answer, (await askedFor(slsa)).answer]).toEqual(answers)
      // One that was never fetched would be refused by anybody.
      expect(repository.read).toHaveLength(told === undefined ? 2 : 1)
    }
  })

  it('what is signed must be an image, and this one (critical.type, docker-manifest-digest)', async () => {
    repository.tag([asLayer(await goodSimple(simplePayload(repository.digest, null, 'cosign blob signature')))])
    expect(await askedByKey()).toMatchObject({ answer: 'tampered', rejected: [{ reason: 'other-subject' }] })
    const other = sha256(Buffer.from('another image'))
    repository.tag([asLayer(await goodSimple(simplePayload(other)))])
    expect(await askedByKey()).toMatchObject({ answer: 'tampered', rejected: [{ reason: 'other-subject' }] })
    const { bundle } = await goodBundle(undefined, statement(other))
    expect(naive(bundle, deployment.root)).toBe('accepted')
    repository.refer([asBundle(bundle)])
    expect(await asked()).toMatchObject({ answer: 'tampered' })
  })

  it('a statement of another version is not guessed at', async () => {
    const payload = statement(repository.digest).toString().replace('Statement/v1', 'Statement/v2')
    repository.refer([asBundle((await goodBundle(undefined, Buffer.from(payload))).bundle)])
    expect(await asked()).toMatchObject({ answer: 'unsigned', rejected: [{ reason: 'malformed' }] })
  })

  it('an envelope of another payload type is not a statement', async () => {
    const type = 'application/json'
    const signed = signStatement(statement(repository.digest), keys.privateKey, type)
    const certificate = await deployment.certificate({ publicKey: keys.publicKey, identity: workflow })
    const entry = await recorded(deployment, signed, certificate, { kind: 'dsse' })
    repository.refer([asBundle(bundleOf({ ...signed, certificate, entry }, type))])
    expect(await asked()).toMatchObject({ answer: 'unsigned', rejected: [{ reason: 'unsupported' }] })
  })

  it('an envelope with two signatures counts where one is by who was asked for, and no bundle has two', async () => {
    const { bundle, signed } = await goodBundle()
    const envelope = bundle['dsseEnvelope'] as { signatures: { sig: string }[] }
    envelope.signatures.push(...envelope.signatures)
    repository.refer([asBundle(bundle)])
    expect(await asked()).toMatchObject({ answer: 'unsigned', rejected: [{ reason: 'malformed' }] })
    const layer = asDsseLayer(signed)
    repository.tag(
      [{ ...layer, bytes: Buffer.from(JSON.stringify(envelope)) }],
      `${repository.digest.replace(':', '-')}.att`,
    )
    const wanted = { kind: 'attestation', predicateType: 'https://sigstore.dev/cosign/sign/v1' } as const
    const verdict = await ask(repository.source, deployment.root, [keyRule(keys.publicKey)], {
      wanted,
      logRequired: false,
    })
    expect(verdict).toMatchObject({ answer: 'verified', rejected: [{ reason: 'malformed' }] })
  })

  it('a manifest that is listed as a referrer and refers to another image is not looked at', async () => {
    const { bundle } = await goodBundle()
    repository.refer([asBundle(bundle)], { subject: sha256(Buffer.from('another image')) })
    expect(await asked()).toMatchObject({ answer: 'unsigned', rejected: [] })
    expect(repository.read).toEqual([])
  })
})
