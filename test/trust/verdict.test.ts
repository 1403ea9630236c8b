import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { Failure } from '../../src/core/failure.ts'
import { verdictExitCodes } from '../../src/trust/verdict.ts'
import { ask, identityRule, keyRule } from './fixture/asking.ts'
import { type Deployment, keyPair, startDeployment } from './fixture/deployment.ts'
import { openRepository, sha256 } from './fixture/repository.ts'
import {
  asBundle,
  asLayer,
  bundleOf,
  cosignSign,
  recorded,
  signSimple,
  signStatement,
  simplePayload,
  statement,
} from './fixture/signing.ts'

const identity = 'https://github.com/owner/app/.github/workflows/image.yaml@refs/heads/main'
const unlogged = { logRequired: false }

let deployment: Deployment
beforeAll(async () => {
  deployment = await startDeployment()
})

/** An image that was signed with a key, as cosign 2 does. */
function signedByKey() {
  const repository = openRepository()
  const keys = keyPair()
  const payload = simplePayload(repository.digest)
  const layer = asLayer(signSimple(payload, keys.privateKey))
  repository.tag([layer])
  return { repository, keys, payload, layer }
}

it('each answer has an exit code of its own, and README.md tells it', async () => {
  const codes = Object.values(verdictExitCodes)
  expect(new Set(codes).size).toBe(codes.length)
  const readme = await readFile(join(import.meta.dirname, '../../src/trust/README.md'), 'utf8')
  const rows = [...readme.matchAll(/^\| ([a-z-]+) +\| (\d+) /gm)].map(([, answer, code]) => [answer, Number(code)])
  expect(Object.fromEntries(rows)).toEqual(verdictExitCodes)
})

describe('unsigned', () => {
  it('when nothing is attached', async () => {
    const { source, digest } = openRepository()
    const verdict = await ask(source, deployment.root, [identityRule(identity)])
    expect(verdict).toMatchObject({ answer: 'unsigned', digest, message: 'there is no signature', rejected: [] })
  })

  it('when the tag was moved to another image since', async () => {
    const { layer, keys } = signedByKey()
    const moved = openRepository(Buffer.from('another image'))
    // The signature is still there, under the tag of the image that it was made for.
    moved.tag([layer], `${openRepository().digest.replace(':', '-')}.sig`)
    const verdict = await ask(moved.source, deployment.root, [keyRule(keys.publicKey)], unlogged)
    expect(verdict).toMatchObject({ answer: 'unsigned', digest: sha256(Buffer.from('another image')) })
  })

  it('when a log is required, and the signature is in none', async () => {
    const { repository, keys } = signedByKey()
    const verdict = await ask(repository.source, deployment.root, [keyRule(keys.publicKey)])
    expect(verdict).toMatchObject({ answer: 'unsigned', rejected: [{ reason: 'unlogged' }] })
  })

  it('when the signature is in a log that the root does not know', async () => {
    const { repository, keys } = signedByKey()
    const elsewhere = await startDeployment()
    const signed = signSimple(simplePayload(repository.digest), keys.privateKey)
    repository.tag([asLayer({ ...signed, entry: await recorded(elsewhere, signed, keys.publicKey) })])
    const verdict = await ask(repository.source, deployment.root, [keyRule(keys.publicKey)])
    expect(verdict).toMatchObject({ answer: 'unsigned', rejected: [{ reason: 'unlogged' }] })
  })
})

describe('wrong identity says what was wanted and what was found', () => {
  it('for another key', async () => {
    const { repository } = signedByKey()
    const rule = keyRule(keyPair().publicKey)
    expect(await ask(repository.source, deployment.root, [rule], unlogged)).toMatchObject({
      answer: 'wrong-identity',
      wanted: [expect.stringContaining(rule.fingerprint.slice(0, 16))],
      found: [expect.stringContaining('another key')],
    })
  })

  it('for another key that a log entry names', async () => {
    const { repository, keys } = signedByKey()
    const signed = signSimple(simplePayload(repository.digest), keys.privateKey)
    repository.tag([asLayer({ ...signed, entry: await recorded(deployment, signed, keys.publicKey) })])
    expect(await ask(repository.source, deployment.root, [keyRule(keyPair().publicKey)])).toMatchObject({
      answer: 'wrong-identity',
      found: [expect.stringContaining(keyRule(keys.publicKey).fingerprint.slice(0, 16))],
    })
  })

  it('for another identity, and for an authority that is not trusted', async () => {
    const repository = openRepository()
    const keys = keyPair()
    const certificate = await deployment.certificate({ publicKey: keys.publicKey, identity })
    const signed = signStatement(statement(repository.digest), keys.privateKey)
    const entry = await recorded(deployment, signed, certificate, { kind: 'dsse' })
    repository.refer([asBundle(bundleOf({ ...signed, certificate, entry }))])
    const wanted = identityRule('https://github.com/other/app/.github/workflows/image.yaml@refs/heads/main')
    expect(await ask(repository.source, deployment.root, [wanted])).toMatchObject({
      answer: 'wrong-identity',
      wanted: [expect.stringContaining('github.com/other/app')],
      found: [expect.stringContaining('github.com/owner/app')],
    })
    const elsewhere = await startDeployment()
    const mixed = deployment.rootWith((root) => {
      root.certificateAuthorities = []
    })
    expect(await ask(repository.source, mixed, [identityRule(identity)])).toMatchObject({ answer: 'wrong-identity' })
    expect(await ask(repository.source, elsewhere.root, [identityRule(identity)])).toMatchObject({ answer: 'unsigned' })
  })

  it('for a key where an identity is wanted', async () => {
    const { repository } = signedByKey()
    expect(await ask(repository.source, deployment.root, [identityRule(identity)], unlogged)).toMatchObject({
      answer: 'wrong-identity',
    })
  })
})

describe('tampered', () => {
  it('when one bit of what is stored is another', async () => {
    const { repository, keys, payload } = signedByKey()
    repository.damage(payload)
    expect(await ask(repository.source, deployment.root, [keyRule(keys.publicKey)], unlogged)).toMatchObject({
      answer: 'tampered',
      rejected: [{ reason: 'forged' }],
    })
  })

  it('when the payload was changed and stored under its new digest', async () => {
    const { repository, keys, layer } = signedByKey()
    const other = simplePayload(sha256(Buffer.from('another image')))
    repository.tag([{ ...layer, bytes: other }])
    expect(await ask(repository.source, deployment.root, [keyRule(keys.publicKey)], unlogged)).toMatchObject({
      answer: 'tampered',
    })
  })

  it('when a bundle names our key, which did not make it', async () => {
    const repository = openRepository()
    const keys = keyPair()
    const rule = keyRule(keys.publicKey)
    const signed = signStatement(statement(repository.digest, cosignSign), keyPair().privateKey)
    const keyHint = Buffer.from(rule.fingerprint, 'hex').toString('base64')
    repository.refer([asBundle(bundleOf({ ...signed, keyHint }))])
    expect(await ask(repository.source, deployment.root, [rule], unlogged)).toMatchObject({ answer: 'tampered' })
  })

  it("when the image's own manifest is not what its digest names", async () => {
    const { repository, keys } = signedByKey()
    repository.fail('resolve', new Failure('corrupt', 'asked for one manifest, got another'))
    expect(await ask(repository.source, deployment.root, [keyRule(keys.publicKey)])).toMatchObject({
      answer: 'tampered',
      digest: null,
    })
  })
})

describe('the way to the image', () => {
  it('no such image, and unreachable, are two answers', async () => {
    for (const [kind, answer] of [
      ['not-found', 'not-found'],
      ['unavailable', 'unreachable'],
      ['deadline', 'unreachable'],
      ['denied', 'unreachable'],
    ] as const) {
      const { repository, keys } = signedByKey()
      repository.fail('resolve', new Failure(kind, 'it went wrong'))
      expect(await ask(repository.source, deployment.root, [keyRule(keys.publicKey)])).toMatchObject({ answer })
    }
  })

  it('signatures that cannot be listed are not taken for absent', async () => {
    const { repository, keys } = signedByKey()
    repository.fail('referrers', new Failure('unavailable', 'the registry failed'))
    expect(await ask(repository.source, deployment.root, [keyRule(keys.publicKey)])).toMatchObject({
      answer: 'unreachable',
    })
  })

  it('what is not about the image stays a failure', async () => {
    const { repository, keys } = signedByKey()
    repository.fail('resolve', new Failure('cancelled', 'interrupted'))
    await expect(ask(repository.source, deployment.root, [keyRule(keys.publicKey)])).rejects.toMatchObject({
      kind: 'cancelled',
    })
  })
})
