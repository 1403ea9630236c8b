import { describe, expect, it } from 'vitest'
import { ask, keyRule } from './fixture/asking.ts'
import { asked, deployment, goodBundle, goodSimple, hour, keys, repository, signer } from './fixture/attack.ts'
import { startDeployment } from './fixture/deployment.ts'
import { asBundle, asLayer, bundleOf, signSimple, simplePayload } from './fixture/signing.ts'

const stampOnly = { logRequired: false, timestampRequired: true }

describe('a timestamp in cosign’s first form', () => {
  it('says when a signature by key was made', async () => {
    const signed = signSimple(simplePayload(repository.digest), keys.privateKey)
    const time = new Date()
    const rules = [keyRule(keys.publicKey, { validUntil: time.getTime() + hour / 2 })]
    const askedLater = () => ask(repository.source, deployment.root, rules, { logRequired: false }, Date.now() + hour)
    repository.tag([asLayer(signed)])
    expect(await askedLater()).toMatchObject({ answer: 'expired' })
    repository.tag([asLayer({ ...signed, timestamp: await deployment.stamp(signed.signature, time) })])
    expect(await askedLater()).toMatchObject({
      answer: 'verified',
      signatures: [{ form: 'simple-signing', madeAt: `${time.toISOString().slice(0, 19)}.000Z` }],
    })
  })

  it('stands in for a log in a keyless signature', async () => {
    const { certificate } = await goodBundle()
    const signed = signSimple(simplePayload(repository.digest), keys.privateKey)
    const timestamp = await deployment.stamp(signed.signature)
    repository.tag([asLayer({ ...signed, certificate, timestamp })])
    const asking = (options: object) => ask(repository.source, deployment.root, [signer], options)
    expect(await asking(stampOnly)).toMatchObject({ answer: 'verified' })
    expect(await asking({})).toMatchObject({ answer: 'unsigned', rejected: [{ reason: 'unlogged' }] })
  })

  it('of another signature, or one that cannot be read, is refused', async () => {
    const signed = signSimple(simplePayload(repository.digest), keys.privateKey)
    for (const [timestamp, reason] of [
      [await deployment.stamp(Buffer.from('another')), 'forged'],
      [Buffer.from('3000', 'hex'), 'malformed'],
    ] as const) {
      repository.tag([asLayer({ ...signed, timestamp })])
      const verdict = await ask(repository.source, deployment.root, [keyRule(keys.publicKey)], { logRequired: false })
      expect(verdict).toMatchObject({
        answer: reason === 'malformed' ? 'unsigned' : 'tampered',
        rejected: [{ reason }],
      })
    }
  })
})

describe('a timestamp of an authority that the root does not name', () => {
  it('takes nothing from a signature that is good without it', async () => {
    const elsewhere = await startDeployment()
    const simple = await goodSimple()
    const stamp = (signature: Buffer) => elsewhere.stamp(signature)
    repository.tag([asLayer({ ...simple, entry: undefined, timestamp: await stamp(simple.signature) })])
    const byKey = () => ask(repository.source, deployment.root, [keyRule(keys.publicKey)], { logRequired: false })
    expect(await byKey()).toMatchObject({ answer: 'verified', signatures: [{ madeAt: null }] })
    const { signed, certificate, entry } = await goodBundle()
    const timestamp = await stamp(signed.signature)
    repository.refer([asBundle(bundleOf({ ...signed, certificate, entry, timestamp }))])
    expect(await asked()).toMatchObject({ answer: 'verified' })
  })

  it('is none where one is required, or where nothing else says when it was made', async () => {
    const elsewhere = await startDeployment()
    const { signed, certificate, entry } = await goodBundle()
    const timestamp = await elsewhere.stamp(signed.signature)
    repository.refer([asBundle(bundleOf({ ...signed, certificate, entry, timestamp }))])
    const asking = (options: object) => ask(repository.source, deployment.root, [signer], options)
    const unlogged = { answer: 'unsigned', rejected: [{ reason: 'unlogged' }] }
    expect(await asking({ timestampRequired: true })).toMatchObject(unlogged)
    repository.tag([
      asLayer({ ...signSimple(simplePayload(repository.digest), keys.privateKey), certificate, timestamp }),
    ])
    expect(await asking(stampOnly)).toMatchObject({ ...unlogged, rejected: [{}, { reason: 'unlogged' }] })
  })
})
