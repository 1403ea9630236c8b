import { beforeAll, describe, expect, it } from 'vitest'
import { ask, identityRule, keyRule } from './fixture/asking.ts'
import { type Deployment, keyPair, startDeployment } from './fixture/deployment.ts'
import { openRepository, type Repository } from './fixture/repository.ts'
import { asBundle, asLayer, recorded, type Signed, signSimple, simplePayload } from './fixture/signing.ts'

const workflow = 'https://github.com/owner/app/.github/workflows/image.yaml@refs/heads/main'

let deployment: Deployment
beforeAll(async () => {
  deployment = await startDeployment()
})

/** Signs as a workflow does, in the first form. */
async function keyless({ digest }: Repository): Promise<Signed> {
  const keys = keyPair()
  const certificate = await deployment.certificate({ publicKey: keys.publicKey, identity: workflow })
  const signed = signSimple(simplePayload(digest), keys.privateKey)
  return { ...signed, certificate, entry: await recorded(deployment, signed, certificate) }
}

describe('of several signatures', () => {
  it('one that is good counts, whatever else is attached', async () => {
    const repository = openRepository()
    const keys = keyPair()
    const payload = simplePayload(repository.digest)
    const good = signSimple(payload, keys.privateKey)
    const rubbish = { ...asLayer(signSimple(payload, keyPair().privateKey)), bytes: Buffer.from('rubbish') }
    repository.tag([rubbish, asLayer(good)])
    repository.refer([asBundle({ mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json' })])
    repository.refer([asLayer(signSimple(payload, keyPair().privateKey))])
    expect(
      await ask(repository.source, deployment.root, [keyRule(keys.publicKey)], { logRequired: false }),
    ).toMatchObject({ answer: 'verified', rejected: [{ reason: 'malformed' }, { reason: 'other-signer' }, {}] })
  })

  it('a good one of somebody else is not among those that count', async () => {
    const repository = openRepository()
    const signed = await keyless(repository)
    const keys = keyPair()
    repository.tag([asLayer(signed), asLayer(signSimple(simplePayload(repository.digest), keys.privateKey))])
    const rules = [keyRule(keys.publicKey), identityRule('somebody@example.com')]
    expect(await ask(repository.source, deployment.root, rules, { logRequired: false })).toMatchObject({
      answer: 'verified',
      signatures: [{ signer: { kind: 'key' } }],
      rejected: [{ reason: 'other-signer' }],
    })
  })

  it('one by a trusted key counts, whatever certificate stands beside it, and one by neither does not', async () => {
    const repository = openRepository()
    const [keys, others] = [keyPair(), keyPair()]
    const elsewhere = await startDeployment()
    const rules = [keyRule(keys.publicKey), identityRule(workflow)]
    const asked = (options = {}) => ask(repository.source, deployment.root, rules, { logRequired: false, ...options })
    const sign = async (key: typeof keys) => {
      const certificate = await elsewhere.certificate({ publicKey: key.publicKey, identity: workflow })
      return asLayer({ ...signSimple(simplePayload(repository.digest), key.privateKey), certificate })
    }
    repository.tag([await sign(keys)])
    expect(await asked()).toMatchObject({ answer: 'verified', signatures: [{ signer: { kind: 'key' } }] })
    expect(await asked({ logRequired: true })).toMatchObject({ answer: 'unsigned', rejected: [{ reason: 'unlogged' }] })
    repository.tag([await sign(others)])
    expect(await asked()).toMatchObject({ answer: 'unsigned', rejected: [{ reason: 'unlogged' }] })
  })

  it('one by the identity counts, also where a key is trusted too', async () => {
    const repository = openRepository()
    repository.tag([asLayer(await keyless(repository))])
    const rules = [keyRule(keyPair().publicKey), identityRule(workflow)]
    expect(await ask(repository.source, deployment.root, rules)).toMatchObject({
      answer: 'verified',
      signatures: [{ signer: { kind: 'certificate' } }],
    })
  })

  it('a threshold counts different signers, not signatures', async () => {
    const repository = openRepository()
    const [first, second] = [keyPair(), keyPair()]
    const rules = [keyRule(first.publicKey), keyRule(second.publicKey)]
    const sign = (keys: typeof first) => asLayer(signSimple(simplePayload(repository.digest), keys.privateKey))
    const asked = () => ask(repository.source, deployment.root, rules, { threshold: 2, logRequired: false })
    repository.tag([sign(first), sign(first)])
    expect(await asked()).toMatchObject({ answer: 'wrong-identity' })
    repository.refer([sign(second)])
    expect(await asked()).toMatchObject({ answer: 'verified' })
  })

  it('one signer does not count twice because two rules fit', async () => {
    const repository = openRepository()
    const signed = await keyless(repository)
    repository.tag([asLayer(signed)])
    const rules = [identityRule(workflow), identityRule('', { identity: { pattern: /^.*$/u, source: '.*' } })]
    const verdict = await ask(repository.source, deployment.root, rules, { threshold: 2 })
    expect(verdict).toMatchObject({ answer: 'wrong-identity' })
  })
})
