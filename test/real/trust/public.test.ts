import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { anchored } from '../../../src/trust/policy.ts'
import { type Root, shippedRoot } from '../../../src/trust/root.ts'
import { ask, identityRule } from '../../trust/fixture/asking.ts'
import { openRepository } from '../../trust/fixture/repository.ts'
import { goSources, haveTrixie } from './cosign.ts'

// Bundles that Sigstore's public instance had a part in, verified offline with the root that
// @sigstore/tuf ships. Their subjects are packages and an image that once was: the repository
// here says that it has just that digest.

const canRun = await haveTrixie()
const sigstoreGo = join(goSources, 'sigstore/sigstore-go/pkg/testing/data/bundles')
const files = {
  provenance: join(sigstoreGo, 'sigstore.js@2.0.0-provenance.sigstore.json'),
  dsse: join(sigstoreGo, 'dsse.sigstore.json'),
  twoSignatures: join(sigstoreGo, 'dsse-2sigs.sigstore.json'),
  otherName: join(sigstoreGo, 'othername.sigstore.json'),
  cosign: join(goSources, 'sigstore/cosign/pkg/cosign/testdata/oci-attestation.sigstore.json'),
}
const anybody = identityRule('', { identity: anchored('.*', 'test'), issuer: anchored('.*', 'test') })

interface Statement {
  readonly predicateType: string
  readonly subject: readonly { digest: Record<string, string> }[]
}

async function asked(file: string, signers = [anybody], root: Root = shippedRoot(), change = (bytes: Buffer) => bytes) {
  const bytes = await readFile(file)
  const envelope = (JSON.parse(bytes.toString()) as { dsseEnvelope?: { payload: string } }).dsseEnvelope
  const { subject, predicateType } = envelope
    ? (JSON.parse(Buffer.from(envelope.payload, 'base64').toString()) as Statement)
    : { subject: [], predicateType: 'https://slsa.dev/provenance/v1' }
  const [algorithm = 'sha256', hex = '0'.repeat(64)] = Object.entries(subject[0]?.digest ?? {})[0] ?? []
  const repository = openRepository({ digest: `${algorithm as 'sha256'}:${hex}` })
  repository.refer([{ mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json', bytes: change(bytes) }])
  return ask(repository.source, root, signers, { wanted: { kind: 'attestation', predicateType } })
}

describe.runIf(canRun)('public bundles', () => {
  it("a workflow's provenance verifies, and tells who and when", async () => {
    expect(await asked(files.provenance)).toMatchObject({
      answer: 'verified',
      signatures: [
        {
          signer: {
            identities: ['https://github.com/sigstore/sigstore-js/.github/workflows/release.yml@refs/heads/main'],
            issuer: 'https://token.actions.githubusercontent.com',
            workflow: { repository: 'sigstore/sigstore-js', ref: 'refs/heads/main', trigger: 'push' },
          },
          madeAt: '2023-08-18T16:05:35.000Z',
        },
      ],
    })
    expect(await asked(files.dsse)).toMatchObject({ answer: 'verified' })
  })

  it("cosign's own attestation of an image, in a bundle 0.3", async () => {
    expect(await asked(files.cosign)).toMatchObject({ answer: 'verified', signatures: [{ form: 'bundle' }] })
  })

  it('another workflow, or the same of another repository, is another identity', async () => {
    const evil = identityRule('https://github.com/evil/sigstore-js/.github/workflows/release.yml@refs/heads/main')
    expect(await asked(files.provenance, [evil])).toMatchObject({
      answer: 'wrong-identity',
      found: [expect.stringContaining('github.com/sigstore/sigstore-js')],
    })
    const whole = 'https://github.com/sigstore/sigstore-js/.github/workflows/release.yml@refs/heads/main'
    expect(await asked(files.provenance, [identityRule(whole)])).toMatchObject({ answer: 'verified' })
    expect(
      await asked(files.provenance, [identityRule(whole, { workflow: { repository: 'sigstore/other' } })]),
    ).toMatchObject({ answer: 'wrong-identity' })
  })

  it('one flipped byte of the payload, the signature or the certificate ends it', async () => {
    for (const part of ['"payload":"', '"sig":"', '"rawBytes":"', '"signedEntryTimestamp":"']) {
      const flip = (bytes: Buffer) => {
        const compact = Buffer.from(JSON.stringify(JSON.parse(bytes.toString())))
        const at = compact.indexOf(part) + part.length + 60
        compact[at] = compact[at] === 0x41 ? 0x42 : 0x41
        return compact
      }
      const { answer } = await asked(files.provenance, [anybody], shippedRoot(), flip)
      expect({ part, answer }).not.toEqual({ part, answer: 'verified' })
    }
  })

  it('two signatures in one envelope, and a bare signature under a name of another authority, do not verify', async () => {
    expect(await asked(files.twoSignatures)).toMatchObject({ answer: 'unsigned', rejected: [{ reason: 'malformed' }] })
    expect((await asked(files.otherName)).answer).not.toBe('verified')
  })
})
