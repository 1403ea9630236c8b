import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { ed25519ph } from '@noble/curves/ed25519.js'
import { ASN1Obj } from '@sigstore/core'
import { beforeAll, describe, expect, it } from 'vitest'
import { edSchemes, isPrehashSignedBy } from '../../src/trust/ed25519.ts'
import { ask, identityRule, keyRule } from './fixture/asking.ts'
import { type Deployment, keyPair, startDeployment } from './fixture/deployment.ts'
import { openRepository } from './fixture/repository.ts'
import {
  asBundle,
  asLayer,
  bundleOf,
  inToto,
  recorded,
  type Signed,
  signPrehashed,
  signSimple,
  simplePayload,
  statement,
} from './fixture/signing.ts'

// RFC 8032, 7.3: the test vector of Ed25519ph.
const vector = {
  secret: '833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42',
  public: 'ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf',
  message: Buffer.from('abc'),
  signature: Buffer.from(
    '98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae4131f85042463c2a355a2003d062adf5aaa10b8c61e636062aaad11c2a26083406',
    'hex',
  ),
}
/** Order of the base point (RFC 8032, 5.1). */
const order = 2n ** 252n + 27742317777372353535851937790883648493n

function publicKeyOf(hex: string): KeyObject {
  const x = Buffer.from(hex, 'hex').toString('base64url')
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
}

describe('Ed25519ph', () => {
  const key = publicKeyOf(vector.public)

  it("verifies RFC 8032's vector, and nothing that differs from it in one bit", async () => {
    expect(await isPrehashSignedBy(key, vector.message, vector.signature)).toBe(true)
    for (let byte = 0; byte < vector.signature.length; byte += 1) {
      const altered = Buffer.from(vector.signature)
      altered[byte] = (altered[byte] ?? 0) ^ 1
      expect({ byte, isGood: await isPrehashSignedBy(key, vector.message, altered) }).toEqual({ byte, isGood: false })
    }
    expect(await isPrehashSignedBy(key, Buffer.from('abd'), vector.signature)).toBe(false)
    const { publicKey: other } = generateKeyPairSync('ed25519')
    expect(await isPrehashSignedBy(other, vector.message, vector.signature)).toBe(false)
  })

  it('takes neither pure Ed25519 of the same key, nor a signature with a context', async () => {
    const der = Buffer.from(`302e020100300506032b657004220420${vector.secret}`, 'hex')
    const secret = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
    expect(await isPrehashSignedBy(key, vector.message, sign(null, vector.message, secret))).toBe(false)
    const context = Buffer.from('context')
    const other = ed25519ph.sign(vector.message, Buffer.from(vector.secret, 'hex'), { context })
    expect(await isPrehashSignedBy(key, vector.message, other)).toBe(false)
  })

  it('is strict: one encoding of each number, no keys of small order, 64 bytes', async () => {
    const s = BigInt(`0x${Buffer.from(vector.signature.subarray(32)).reverse().toString('hex')}`) + order
    const larger = Buffer.from(s.toString(16).padStart(64, '0'), 'hex').reverse()
    const notReduced = Buffer.concat([vector.signature.subarray(0, 32), larger])
    expect(await isPrehashSignedBy(key, vector.message, notReduced)).toBe(false)

    const neutral = `01${'00'.repeat(31)}`
    const forAnything = Buffer.from(`${neutral}${'00'.repeat(32)}`, 'hex')
    for (const weak of [neutral, `ee${'ff'.repeat(30)}7f`]) {
      const laxly = ed25519ph.verify(forAnything, vector.message, Buffer.from(weak, 'hex'), { zip215: true })
      expect(laxly, 'the control takes it').toBe(true)
      expect(await isPrehashSignedBy(publicKeyOf(weak), vector.message, forAnything)).toBe(false)
    }
    for (const length of [0, 63, 65])
      expect(await isPrehashSignedBy(key, vector.message, Buffer.alloc(length))).toBe(false)
  })
})

describe('which scheme a signature can be of', () => {
  const entry = (kind: string) => ({ kindVersion: { kind, version: '0.0.1' } })

  it('its log entry says, and without one it is either', () => {
    expect(edSchemes([entry('hashedrekord')])).toEqual(['prehashed'])
    expect(edSchemes([entry('dsse')])).toEqual(['pure'])
    expect(edSchemes([entry('intoto')])).toEqual(['pure'])
    expect(edSchemes([])).toEqual(['pure', 'prehashed'])
    expect(edSchemes([entry('hashedrekord'), entry('dsse')])).toEqual([])
  })
})

describe('signed with an Ed25519 key', () => {
  const keys = generateKeyPairSync('ed25519')
  const rule = keyRule(keys.publicKey)
  const unlogged = { logRequired: false }
  let deployment: Deployment
  beforeAll(async () => {
    deployment = await startDeployment()
  })

  const logged = async (signed: Signed, algorithm: 'sha256' | 'sha512', signer: KeyObject = keys.publicKey) =>
    asLayer({ ...signed, entry: await recorded(deployment, signed, signer, { algorithm }) })

  it('by Ed25519ph verifies in both forms without a log', async () => {
    const tagged = openRepository()
    tagged.tag([asLayer(signPrehashed(simplePayload(tagged.digest), keys.privateKey))])
    expect(await ask(tagged.source, deployment.root, [rule], unlogged)).toMatchObject({
      answer: 'verified',
      signatures: [{ form: 'simple-signing', signer: { kind: 'key', fingerprint: rule.fingerprint } }],
    })
    const referred = openRepository()
    const signed = signPrehashed(statement(referred.digest), keys.privateKey, inToto)
    const keyHint = Buffer.from(rule.fingerprint, 'hex').toString('base64')
    referred.refer([asBundle(bundleOf({ ...signed, keyHint }))])
    expect(await ask(referred.source, deployment.root, [rule], unlogged)).toMatchObject({
      answer: 'verified',
      signatures: [{ form: 'bundle' }],
    })
  })

  it('by Ed25519ph verifies with its hashedrekord entry, of SHA-512', async () => {
    const repository = openRepository()
    const signed = signPrehashed(simplePayload(repository.digest), keys.privateKey)
    repository.tag([await logged(signed, 'sha512')])
    expect(await ask(repository.source, deployment.root, [rule])).toMatchObject({ answer: 'verified' })
  })

  it('is tampered with when that entry is of another key, or of another payload', async () => {
    const repository = openRepository()
    const signed = signPrehashed(simplePayload(repository.digest), keys.privateKey)
    repository.tag([await logged(signed, 'sha512', generateKeyPairSync('ed25519').publicKey)])
    expect(await ask(repository.source, deployment.root, [rule])).toMatchObject({
      answer: 'tampered',
      rejected: [{ reason: 'forged', message: expect.stringContaining('a different key') }],
    })
    const other = openRepository()
    const altered = { ...signed, payload: simplePayload(other.digest, { env: 'prod' }) }
    const entry = await recorded(deployment, altered, keys.publicKey, { algorithm: 'sha512' })
    other.tag([asLayer({ ...signed, entry })])
    expect(await ask(other.source, deployment.root, [rule])).toMatchObject({ answer: 'tampered' })
  })

  it('by pure Ed25519 does not verify with a hashedrekord entry, which Rekor makes for Ed25519ph only', async () => {
    for (const algorithm of ['sha256', 'sha512'] as const) {
      const repository = openRepository()
      repository.tag([await logged(signSimple(simplePayload(repository.digest), keys.privateKey), algorithm)])
      expect(await ask(repository.source, deployment.root, [rule])).toMatchObject({
        answer: 'tampered',
        rejected: [{ reason: 'forged' }],
      })
    }
  })

  it('by Ed25519ph does not verify with a dsse entry, which Rekor makes for pure Ed25519 only', async () => {
    const repository = openRepository()
    const signed = signPrehashed(statement(repository.digest), keys.privateKey, inToto)
    const entry = await recorded(deployment, signed, keys.publicKey, { kind: 'dsse' })
    repository.refer([asBundle(bundleOf({ ...signed, entry }))])
    expect(await ask(repository.source, deployment.root, [rule])).toMatchObject({ answer: 'tampered' })
  })

  it('of a certificate verifies by the same rule', async () => {
    const identity = 'dev@example.com'
    const unpromised = { sctRequired: false }
    const issued = await deployment.certificate({ publicKey: keyPair().publicKey, identity, sct: false })
    // The mock authority knows keys on curves of NIST only.
    const certificate = deployment.reissued(issued, (each) => {
      const key = ASN1Obj.parseBuffer(keys.publicKey.export({ type: 'spki', format: 'der' }))
      each.tbsCertificate.subs[6] = key
    })
    const answers: string[] = []
    for (const make of [signPrehashed, signSimple]) {
      const repository = openRepository()
      const signed = make(simplePayload(repository.digest), keys.privateKey)
      const entry = await recorded(deployment, signed, certificate, { algorithm: 'sha512' })
      repository.tag([asLayer({ ...signed, certificate, entry })])
      answers.push((await ask(repository.source, deployment.root, [identityRule(identity)], unpromised)).answer)
    }
    expect(answers).toEqual(['verified', 'tampered'])
  })

  it('of somebody else is told as wrong identity, one flipped byte as tampered', async () => {
    const repository = openRepository()
    const other = generateKeyPairSync('ed25519')
    repository.tag([asLayer(signPrehashed(simplePayload(repository.digest), other.privateKey))])
    expect(await ask(repository.source, deployment.root, [rule], unlogged)).toMatchObject({ answer: 'wrong-identity' })
    const altered = openRepository()
    const signed = signPrehashed(simplePayload(altered.digest), keys.privateKey)
    const payload = Buffer.from(signed.payload.toString().replace('container image', 'container imagf'))
    altered.tag([asLayer({ ...signed, payload })])
    expect(await ask(altered.source, deployment.root, [rule], unlogged)).toMatchObject({ answer: 'tampered' })
  })
})
