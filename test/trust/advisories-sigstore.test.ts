import { describe, expect, it } from 'vitest'
import { anchored, type SignerRule } from '../../src/trust/policy.ts'
import { ask, identityRule, keyRule } from './fixture/asking.ts'
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
  signer,
  workflow,
} from './fixture/attack.ts'
import { asAuthority, without } from './fixture/certificate.ts'
import { githubIssuer, keyPair } from './fixture/deployment.ts'
import { naive } from './fixture/naive.ts'
import { asBundle, asLayer, bundleOf, recorded, signSimple, simplePayload } from './fixture/signing.ts'

it('the signatures that the attacks start from verify', async () => {
  const { bundle } = await goodBundle()
  expect(naive(bundle, deployment.root)).toBe('accepted')
  repository.refer([asBundle(bundle)])
  expect(await asked()).toMatchObject({ answer: 'verified' })
  repository.tag([asLayer(await goodSimple())])
  expect(await askedByKey()).toMatchObject({ answer: 'verified' })
})

describe('sigstore-js', () => {
  it('CVE-2026-48815: claims of the workflow that are asked for are compared', async () => {
    const certificate = await deployment.certificate({
      publicKey: keys.publicKey,
      identity: workflow,
      extensions: { '1.3.6.1.4.1.57264.1.5': 'owner/app', '1.3.6.1.4.1.57264.1.2': 'push' },
    })
    repository.refer([asBundle((await goodBundle(certificate)).bundle)])
    const askedFor = (claims: object) => ask(repository.source, deployment.root, [{ ...signer, workflow: claims }])
    expect(await askedFor({ repository: 'owner/app', trigger: 'push' })).toMatchObject({ answer: 'verified' })
    expect(await askedFor({ repository: 'owner/app', trigger: 'pull_request' })).toMatchObject({
      answer: 'wrong-identity',
    })
    expect(await askedFor({ sha: '0123' })).toMatchObject({ answer: 'wrong-identity' })
  })

  it('CVE-2026-48816: the time of an entry that only a proof of inclusion vouches for is nobody’s', async () => {
    const { bundle } = await goodBundle()
    for (const entry of bundle.verificationMaterial.tlogEntries) entry.inclusionPromise = undefined
    expect(naive(bundle, deployment.root, { believesTimes: true })).toBe('accepted')
    repository.refer([asBundle(bundle)])
    expect(await asked()).toMatchObject({ answer: 'unsigned', rejected: [{ reason: 'unlogged' }] })
  })

  it('CVE-2026-48816: nor does it bring back the time in which a key was in use', async () => {
    const bundle = bundleOf(await goodStatement())
    const rule = keyRule(keys.publicKey, { validUntil: Date.now() - hour })
    for (const entry of bundle.verificationMaterial.tlogEntries) {
      entry.inclusionPromise = undefined
      entry.integratedTime = String(Math.floor((Date.now() - 2 * hour) / 1000))
    }
    expect(naive(bundle, deployment.root, { rule, believesTimes: true })).toBe('accepted')
    repository.refer([asBundle(bundle)])
    expect(await ask(repository.source, deployment.root, [rule])).toMatchObject({ answer: 'expired' })
    // The entry itself is a good one.
    expect(await askedByKey()).toMatchObject({ answer: 'verified', signatures: [{ madeAt: null }] })
  })

  it('an identity is compared as a whole, where @sigstore/verify takes it for a pattern', async () => {
    const certificate = await deployment.certificate({ publicKey: keys.publicKey, identity: 'xa@b.com' })
    const { bundle } = await goodBundle(certificate)
    expect(naive(bundle, deployment.root, { identity: 'a@b.co' })).toBe('accepted')
    repository.refer([asBundle(bundle)])
    expect(await ask(repository.source, deployment.root, [identityRule('a@b.co')])).toMatchObject({
      answer: 'wrong-identity',
      found: [expect.stringContaining('xa@b.com')],
    })
    const pattern = identityRule('', { identity: anchored('a@b\\.co', '--certificate-identity-regexp') })
    expect(await ask(repository.source, deployment.root, [pattern])).toMatchObject({ answer: 'wrong-identity' })
  })

  it('a log entry that names another certificate over the same signature proves nothing', async () => {
    const { signed, certificate } = await goodBundle()
    const other = await deployment.certificate({ publicKey: keyPair().publicKey, identity: workflow })
    const entry = await recorded(deployment, signed, other, { kind: 'dsse' })
    const bundle = bundleOf({ ...signed, certificate, entry })
    expect(naive(bundle, deployment.root)).toBe('accepted')
    repository.refer([asBundle(bundle)])
    expect(await asked()).toMatchObject({ answer: 'tampered', rejected: [{ reason: 'forged' }] })
  })

  it('a certificate that is not for signing code signs no image', async () => {
    const issued = await deployment.certificate({ publicKey: keys.publicKey, identity: workflow, sct: false })
    const certificate = deployment.reissued(issued, (each) => without(each, '2.5.29.37'))
    const asking = () => ask(repository.source, deployment.root, [signer], { sctRequired: false })
    repository.refer([asBundle((await goodBundle(certificate)).bundle)])
    expect(await asking()).toMatchObject({ answer: 'wrong-identity', rejected: [{ reason: 'other-signer' }] })
    repository.refer([asBundle((await goodBundle(issued)).bundle)])
    expect(await asking()).toMatchObject({ answer: 'verified' })
  })

  it('the certificate of an authority signs no image', async () => {
    const issued = await deployment.certificate({ publicKey: keys.publicKey, identity: workflow, sct: false })
    repository.refer([asBundle((await goodBundle(deployment.reissued(issued, asAuthority))).bundle)])
    const verdict = await ask(repository.source, deployment.root, [signer], { sctRequired: false })
    expect(verdict).toMatchObject({ answer: 'wrong-identity', rejected: [{ reason: 'other-signer' }] })
  })

  it('a certificate in which the two forms of the issuer differ is nobody’s', async () => {
    const rawIssuer = 'https://issuer.example'
    const certificate = await deployment.certificate({ publicKey: keys.publicKey, identity: workflow, rawIssuer })
    repository.refer([asBundle((await goodBundle(certificate)).bundle)])
    expect(await asked()).toMatchObject({ answer: 'unsigned', rejected: [{ reason: 'malformed' }] })
  })

  it.each([
    ['the identity', { identity: `\ufeff${workflow}` }],
    ['the issuer', { issuer: `\ufeff${githubIssuer}` }],
    ['the repository', { extensions: { '1.3.6.1.4.1.57264.1.5': '\ufeffowner/app' } }],
  ])('a byte order mark before %s in a certificate is part of it', async (_, names) => {
    const extensions = { '1.3.6.1.4.1.57264.1.5': 'owner/app' }
    const right = { publicKey: keys.publicKey, identity: workflow, extensions }
    const rules = [{ ...signer, workflow: { repository: 'owner/app' } }]
    for (const [certificate, answer] of [
      [await deployment.certificate(right), 'verified'],
      [await deployment.certificate({ ...right, ...names }), 'unsigned'],
    ] as const) {
      emptyRepository()
      repository.refer([asBundle((await goodBundle(certificate)).bundle)])
      expect(await ask(repository.source, deployment.root, rules)).toMatchObject({ answer })
    }
  })

  it('a certificate that is in no certificate log counts only where none is required', async () => {
    const certificate = await deployment.certificate({ publicKey: keys.publicKey, identity: workflow, sct: false })
    repository.refer([asBundle((await goodBundle(certificate)).bundle)])
    expect(await asked()).toMatchObject({ answer: 'tampered' })
  })
})

describe('sigstore-go', () => {
  it('GHSA-wqqc-jjcq-vfxm: a key signs only while it is in use', async () => {
    repository.tag([asLayer(await goodSimple())])
    const askedWith = (window: object) => ask(repository.source, deployment.root, [keyRule(keys.publicKey, window)])
    const now = Date.now()
    expect(await askedWith({ validFrom: now - hour, validUntil: now + hour })).toMatchObject({ answer: 'verified' })
    expect(await askedWith({ validUntil: now - hour })).toMatchObject({ answer: 'expired' })
    expect(await askedWith({ validFrom: now + hour })).toMatchObject({ answer: 'expired' })
  })

  it('GHSA-wqqc-jjcq-vfxm: a key in use twice counts in both of its windows', async () => {
    repository.tag([asLayer(await goodSimple())])
    const now = Date.now()
    const past = keyRule(keys.publicKey, { validUntil: now - hour })
    const askedWith = (...rules: SignerRule[]) => ask(repository.source, deployment.root, rules)
    expect(await askedWith(past, keyRule(keys.publicKey, { validFrom: now - hour }))).toMatchObject({
      answer: 'verified',
    })
    expect(await askedWith(past, keyRule(keys.publicKey, { validFrom: now + hour }))).toMatchObject({
      answer: 'expired',
    })
  })

  it('GHSA-wqqc-jjcq-vfxm: without a trusted time a key has to be in use now', async () => {
    repository.tag([asLayer(signSimple(simplePayload(repository.digest), keys.privateKey))])
    const withdrawn = [keyRule(keys.publicKey, { validUntil: Date.now() - hour })]
    const options = { logRequired: false }
    expect(await ask(repository.source, deployment.root, withdrawn, options)).toMatchObject({ answer: 'expired' })
  })

  it('a log, an authority of timestamps and a certificate log count only for the time they served', async () => {
    const { bundle, signed } = await goodBundle()
    const past = { start: new Date(0), end: new Date(Date.now() - hour) }
    const retire = (which: 'tlogs' | 'ctlogs') =>
      deployment.rootWith((root) => {
        for (const each of root[which]) if (each.publicKey) each.publicKey.validFor = past
      })
    repository.refer([asBundle(bundle)])
    expect((await asked(retire('tlogs'))).answer).not.toBe('verified')
    expect((await asked(retire('ctlogs'))).answer).not.toBe('verified')
    // A proof of inclusion alone: @sigstore/verify does not look at the log's time there.
    for (const entry of bundle.verificationMaterial.tlogEntries) entry.inclusionPromise = undefined
    const timestamp = (await deployment.stamp(signed.signature)).toString('base64')
    bundle.verificationMaterial['timestampVerificationData'] = { rfc3161Timestamps: [{ signedTimestamp: timestamp }] }
    expect(naive(bundle, retire('tlogs'))).toBe('accepted')
    emptyRepository()
    repository.refer([asBundle(bundle)])
    expect(await asked()).toMatchObject({ answer: 'verified' })
    expect(await asked(retire('tlogs'))).toMatchObject({ answer: 'expired' })
    const noStamps = deployment.rootWith((root) => {
      for (const each of root.timestampAuthorities) each.validFor = past
    })
    expect((await asked(noStamps)).answer).not.toBe('verified')
  })
})
