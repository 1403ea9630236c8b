import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { wishesOf } from '../../../src/cli/verify/flags.ts'
import { chooseRequirement } from '../../../src/cli/verify/requirement.ts'
import { parseImageName } from '../../../src/image/name.ts'
import { keyPair } from '../../trust/fixture/deployment.ts'

const image = parseImageName('registry.example/app:1')
const builtIn = join(import.meta.dirname, '../../../templates/trust/nativelink.yaml')

let folder: string
let key: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'native-verify-'))
  key = join(folder, 'cosign.pub')
  await writeFile(key, keyPair().publicKey.export({ type: 'spki', format: 'pem' }))
})
afterAll(() => rm(folder, { recursive: true }))

const choose = (flags: Record<string, string | boolean | string[]>, name = image) =>
  chooseRequirement(name, wishesOf(flags), [builtIn])

describe('whom to trust', () => {
  it('is what the command line says, with cosign’s names of flags', async () => {
    const chosen = await choose({
      'certificate-identity': 'me@example.com',
      'certificate-oidc-issuer-regexp': 'https://accounts\\..*',
      'certificate-github-workflow-ref': 'refs/heads/main',
      annotations: ['env=prod', 'note=a=b'],
    })
    expect(chosen).toMatchObject({
      policy: undefined,
      requirement: {
        wanted: { kind: 'signature' },
        threshold: 1,
        logRequired: true,
        sctRequired: true,
        timestampRequired: false,
        signers: [{ identity: { exact: 'me@example.com' }, workflow: { ref: 'refs/heads/main' } }],
        annotations: new Map([
          ['env', 'prod'],
          ['note', 'a=b'],
        ]),
      },
    })
  })

  it('is a key, and no log with --insecure-ignore-tlog', async () => {
    const chosen = await choose({ key, 'insecure-ignore-tlog': true })
    expect(chosen?.requirement).toMatchObject({ logRequired: false, signers: [{ kind: 'key', name: key }] })
  })

  it('is a policy where the command line says nothing, and the command line where it does', async () => {
    const nativelink = parseImageName('ghcr.io/tracemachina/nativelink:v1.0.0')
    expect(await choose({}, nativelink)).toMatchObject({ policy: builtIn })
    expect(await choose({ key }, nativelink)).toMatchObject({ policy: undefined, requirement: { signers: [{}] } })
    expect(await choose({})).toBeUndefined()
  })

  it("is the user's own policy before a built-in one", async () => {
    const own = join(folder, 'own.yaml')
    await writeFile(own, "policies: [{images: ['**'], signers: [{key: cosign.pub}]}]\n")
    const nativelink = parseImageName('ghcr.io/tracemachina/nativelink')
    expect(await choose({ policy: [own] }, nativelink)).toMatchObject({
      policy: own,
      requirement: { signers: [{ kind: 'key' }] },
    })
  })

  it('is a release when a tag stands beside a digest', async () => {
    const named = parseImageName(`ghcr.io/tracemachina/nativelink:v1.0.0@sha256:${'0'.repeat(64)}`)
    const chosen = await choose({}, named)
    expect(chosen?.requirement.signers).toMatchObject([
      { identity: { exact: expect.stringMatching(/tags\/v1\.0\.0$/) } },
    ])
  })

  it('is an attestation with --type, by cosign’s names or a URI', async () => {
    const type = async (text: string) => (await choose({ key, type: text }))?.requirement.wanted
    expect(await type('slsaprovenance1')).toEqual({
      kind: 'attestation',
      predicateType: 'https://slsa.dev/provenance/v1',
    })
    expect(await type('https://example.com/x')).toEqual({ kind: 'attestation', predicateType: 'https://example.com/x' })
    await expect(type('slsa-provenance')).rejects.toMatchObject({ kind: 'invalid', where: '--type' })
  })

  it('is refused when it contradicts itself', async () => {
    const wrong: [Record<string, string | string[]>, string][] = [
      [{ key, 'certificate-identity': 'me' }, '--key'],
      [{ key, 'certificate-github-workflow-ref': 'x' }, '--key'],
      [{ 'certificate-identity': 'me' }, '--certificate-oidc-issuer'],
      [{ 'certificate-oidc-issuer': 'x' }, '--certificate-identity'],
      [{ 'certificate-github-workflow-sha': 'x' }, '--certificate-identity'],
      [{ 'certificate-identity': 'me', 'certificate-identity-regexp': 'me' }, '--certificate-identity'],
      [{ 'certificate-identity-regexp': '', 'certificate-oidc-issuer': 'x' }, '--certificate-identity'],
      [{ 'certificate-identity-regexp': '(', 'certificate-oidc-issuer': 'x' }, '--certificate-identity-regexp'],
      [{ key, annotations: ['prod'] }, '-a'],
    ]
    for (const [flags, where] of wrong) await expect(choose(flags)).rejects.toMatchObject({ kind: 'invalid', where })
    await expect(choose({ key: join(folder, 'none') })).rejects.toMatchObject({ kind: 'not-found' })
  })

  it.each([
    ['awskms:///alias/release', 'cosign public-key --key REF'],
    ['gcpkms://projects/p/locations/l/keyRings/r/cryptoKeys/k', 'cosign public-key --key REF'],
    ['hashivault://release', 'cosign public-key --key REF'],
    ['k8s://namespace/secret', 'cosign public-key --key REF'],
    ['pkcs11:token=t;object=o', 'cosign public-key --key REF'],
    ['https://example.com/cosign.pub', 'curl -o cosign.pub URL'],
  ])('tell for a key at %s what to do instead', async (key, advice) => {
    await expect(choose({ key })).rejects.toMatchObject({
      kind: 'unimplemented',
      where: key,
      next: [expect.stringContaining(advice)],
    })
  })
})
