import { generateKeyPairSync } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import { ask, identityRule, keyRule } from './fixture/asking.ts'
import { type Deployment, keyPair, startDeployment } from './fixture/deployment.ts'
import { openRepository, type Repository } from './fixture/repository.ts'
import {
  asBundle,
  asDsseLayer,
  asLayer,
  bundleOf,
  recorded,
  recordedV2,
  type Signed,
  signSimple,
  signStatement,
  simplePayload,
  statement,
} from './fixture/signing.ts'

const workflow = 'https://github.com/owner/app/.github/workflows/image.yaml@refs/heads/main'
const custom = 'https://cosign.sigstore.dev/attestation/v1'
const attestation = { wanted: { kind: 'attestation', predicateType: custom } } as const

let deployment: Deployment
beforeAll(async () => {
  deployment = await startDeployment()
})

/** Signs as a workflow does: with a certificate, an entry in the log, and no key that lasts. */
async function keyless(
  sign: (key: ReturnType<typeof keyPair>['privateKey']) => Signed,
  kind?: 'dsse',
): Promise<Signed> {
  const keys = keyPair()
  const certificate = await deployment.certificate({ publicKey: keys.publicKey, identity: workflow })
  const signed = sign(keys.privateKey)
  const entry = await recorded(deployment, signed, certificate, kind ? { kind } : {})
  return { ...signed, certificate, entry }
}

async function keyed(sign: (key: ReturnType<typeof keyPair>['privateKey']) => Signed, kind?: 'dsse') {
  const keys = keyPair()
  const signed = sign(keys.privateKey)
  const entry = await recorded(deployment, signed, keys.publicKey, kind ? { kind } : {})
  return { signed: { ...signed, entry }, rule: keyRule(keys.publicKey) }
}

describe('every form of a signature verifies', () => {
  let repository: Repository
  const simple = (key: ReturnType<typeof keyPair>['privateKey']) => signSimple(simplePayload(repository.digest), key)
  const inToto = (key: ReturnType<typeof keyPair>['privateKey']) => signStatement(statement(repository.digest), key)
  const attested = (key: ReturnType<typeof keyPair>['privateKey']) =>
    signStatement(statement(repository.digest, custom), key)

  it("cosign's .sig tag, by key", async () => {
    repository = openRepository()
    const { signed, rule } = await keyed(simple)
    repository.tag([asLayer(signed)])
    expect(await ask(repository.source, deployment.root, [rule])).toMatchObject({
      answer: 'verified',
      image: 'registry.example/app:1',
      digest: repository.digest,
      signatures: [{ form: 'simple-signing', signer: { kind: 'key', fingerprint: rule.fingerprint } }],
      rejected: [],
    })
  })

  it("cosign's .sig tag, keyless, with the time that the log signed", async () => {
    repository = openRepository()
    const signed = await keyless(simple)
    repository.tag([asLayer(signed)])
    const verdict = await ask(repository.source, deployment.root, [identityRule(workflow)])
    const time = new Date(Number(signed.entry?.integratedTime) * 1000).toISOString()
    expect(verdict).toMatchObject({
      answer: 'verified',
      signatures: [{ signer: { kind: 'certificate', identities: [workflow] }, madeAt: time }],
    })
  })

  it('an OCI 1.1 referrer that carries the first form', async () => {
    repository = openRepository()
    const { signed, rule } = await keyed(simple)
    repository.refer([asLayer(signed)], { artifactType: 'application/vnd.dev.cosign.artifact.sig.v1+json' })
    expect(await ask(repository.source, deployment.root, [rule])).toMatchObject({ answer: 'verified' })
  })

  it('a bundle 0.3 as a referrer, keyless', async () => {
    repository = openRepository()
    repository.refer([asBundle(bundleOf(await keyless(inToto, 'dsse')))])
    expect(await ask(repository.source, deployment.root, [identityRule(workflow)])).toMatchObject({
      answer: 'verified',
      signatures: [{ form: 'bundle', predicateType: 'https://sigstore.dev/cosign/sign/v1' }],
    })
  })

  it('a bundle 0.3 as a referrer, by key', async () => {
    repository = openRepository()
    const { signed, rule } = await keyed(inToto, 'dsse')
    repository.refer([asBundle(bundleOf(signed))])
    expect(await ask(repository.source, deployment.root, [rule])).toMatchObject({ answer: 'verified' })
  })

  it('a bundle with a timestamp of a timestamp authority instead of a log', async () => {
    repository = openRepository()
    const { entry: _, ...signed } = await keyless(inToto, 'dsse')
    const timestamp = await deployment.stamp(signed.signature)
    repository.refer([asBundle(bundleOf({ ...signed, timestamp }))])
    const options = { logRequired: false, timestampRequired: true }
    expect(await ask(repository.source, deployment.root, [identityRule(workflow)], options)).toMatchObject({
      answer: 'verified',
    })
    expect(await ask(repository.source, deployment.root, [identityRule(workflow)])).toMatchObject({
      answer: 'unsigned',
    })
  })

  it('a bundle with an entry of Rekor 2, whose time comes from a timestamp authority', async () => {
    repository = openRepository()
    const keys = keyPair()
    const certificate = await deployment.certificate({ publicKey: keys.publicKey, identity: workflow })
    const other = await deployment.certificate({ publicKey: keyPair().publicKey, identity: workflow })
    const signed = inToto(keys.privateKey)
    const timestamp = await deployment.stamp(signed.signature)
    const bundle = bundleOf({ ...signed, certificate, timestamp })
    for (const [named, answer] of [
      [certificate, 'verified'],
      [other, 'tampered'],
    ] as const) {
      repository = openRepository()
      bundle.verificationMaterial.tlogEntries = [await recordedV2(deployment, signed, named)]
      repository.refer([asBundle(bundle)])
      expect(await ask(repository.source, deployment.root, [identityRule(workflow)])).toMatchObject({ answer })
    }
  })

  it("attestations: cosign's .att tag and bundles, by --type", async () => {
    for (const form of ['tag', 'referrer'] as const) {
      repository = openRepository()
      const { signed, rule } = await keyed(attested, 'dsse')
      if (form === 'tag') repository.tag([asDsseLayer(signed)], `${repository.digest.replace(':', '-')}.att`)
      else repository.refer([asBundle(bundleOf(signed))])
      expect(await ask(repository.source, deployment.root, [rule], attestation)).toMatchObject({
        answer: 'verified',
        signatures: [{ predicateType: custom }],
      })
      // An attestation is not a signature of the image.
      expect(await ask(repository.source, deployment.root, [rule])).toMatchObject({ answer: 'unsigned' })
    }
  })

  it("cosign's .att tag, keyless", async () => {
    repository = openRepository()
    repository.tag([asDsseLayer(await keyless(attested, 'dsse'))], `${repository.digest.replace(':', '-')}.att`)
    const asked = (signer: string) => ask(repository.source, deployment.root, [identityRule(signer)], attestation)
    expect(await asked(workflow)).toMatchObject({
      answer: 'verified',
      signatures: [{ form: 'dsse', predicateType: custom, signer: { identities: [workflow] } }],
    })
    expect(await asked(`${workflow}x`)).toMatchObject({ answer: 'wrong-identity' })
  })

  it('signatures with keys of every kind', async () => {
    const kinds = {
      'P-256': keyPair(),
      'P-384': generateKeyPairSync('ec', { namedCurve: 'P-384' }),
      RSA: generateKeyPairSync('rsa', { modulusLength: 2048 }),
      Ed25519: generateKeyPairSync('ed25519'),
    }
    for (const [kind, keys] of Object.entries(kinds)) {
      repository = openRepository(Buffer.from(kind))
      repository.tag([asLayer(signSimple(simplePayload(repository.digest), keys.privateKey))])
      const verdict = await ask(repository.source, deployment.root, [keyRule(keys.publicKey)], { logRequired: false })
      expect({ kind, answer: verdict.answer }).toEqual({ kind, answer: 'verified' })
    }
  })

  it('but not with a log entry of a kind that keeps no signature: that is not a forgery either', async () => {
    repository = openRepository()
    const { signed, rule } = await keyed(inToto, 'dsse')
    const bundle = bundleOf(signed)
    const [entry] = bundle.verificationMaterial.tlogEntries
    if (!entry) throw new Error('no entry')
    entry.kindVersion = { kind: 'intoto', version: '0.0.1' }
    repository.refer([asBundle(bundle)])
    expect(await ask(repository.source, deployment.root, [rule])).toMatchObject({
      answer: 'unsigned',
      rejected: [{ reason: 'unsupported', message: expect.stringContaining('intoto/0.0.1') }],
    })
  })

  it('annotations that are asked for have to be signed, exactly', async () => {
    for (const form of ['simple', 'bundle'] as const) {
      repository = openRepository()
      const { signed, rule } =
        form === 'simple'
          ? await keyed((key) => signSimple(simplePayload(repository.digest, { env: 'prod' }), key))
          : await keyed((key) => signStatement(statement(repository.digest, undefined, { env: 'prod' }), key), 'dsse')
      if (form === 'simple') repository.tag([asLayer(signed)])
      else repository.refer([asBundle(bundleOf(signed))])
      const asked = (value: string) =>
        ask(repository.source, deployment.root, [rule], { annotations: new Map([['env', value]]) })
      expect(await asked('prod')).toMatchObject({ answer: 'verified' })
      expect(await asked('dev')).toMatchObject({ answer: 'wrong-identity', found: ['env=prod'] })
    }
  })
})
