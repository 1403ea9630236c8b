import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Failure } from '../../src/core/failure.ts'
import { anchored, fits, isMeant } from '../../src/trust/policy.ts'
import { findPolicy } from '../../src/trust/policy-file.ts'
import type { Signer } from '../../src/trust/signer.ts'
import { githubIssuer, keyPair } from './fixture/deployment.ts'

const builtIn = join(import.meta.dirname, '../../templates/trust/nativelink.yaml')
const nativelink = 'ghcr.io/tracemachina/nativelink'
const workflows = 'https://github.com/TraceMachina/nativelink/.github/workflows'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'native-policy-'))
})
afterAll(() => rm(folder, { recursive: true }))

async function policyFile(text: string): Promise<string> {
  const file = join(folder, 'policy.yaml')
  await writeFile(file, text)
  return file
}

function workflowSigner(identity: string): Signer {
  return { kind: 'certificate', identities: [identity], issuer: githubIssuer, workflow: {} }
}

async function accepts(repository: string, tag: string | undefined, identity: string): Promise<boolean> {
  const found = await findPolicy([builtIn], { repository, tag })
  return found?.signers.some((each) => isMeant(each, workflowSigner(identity))) ?? false
}

describe('the built-in policy of the published NativeLink images', () => {
  it('lets a release be signed by the workflow of its own tag only', async () => {
    expect(await accepts(nativelink, 'v1.2.3', `${workflows}/tagged_image.yaml@refs/tags/v1.2.3`)).toBe(true)
    expect(await accepts(nativelink, 'v1.2.3', `${workflows}/tagged_image.yaml@refs/tags/v1.2.2`)).toBe(false)
    expect(await accepts(nativelink, 'v1.2.3', `${workflows}/image.yaml@refs/heads/main`)).toBe(false)
  })

  it('lets everything else be signed by the main branch', async () => {
    for (const name of [nativelink, `${nativelink}-worker-init`, `${nativelink}-worker-lre-cc`]) {
      expect(await accepts(name, '2026-05-01-0123abc', `${workflows}/image.yaml@refs/heads/main`)).toBe(true)
      expect(await accepts(name, 'latest', `${workflows}/image.yaml@refs/heads/evil`)).toBe(false)
    }
  })

  it('lets an image that is named by digest be of either, under any tag', async () => {
    expect(await accepts(nativelink, undefined, `${workflows}/image.yaml@refs/heads/main`)).toBe(true)
    expect(await accepts(nativelink, undefined, `${workflows}/tagged_image.yaml@refs/tags/v9.9.9`)).toBe(true)
    expect(await accepts(nativelink, undefined, `${workflows}/tagged_image.yaml@refs/heads/main`)).toBe(false)
    expect(await accepts(nativelink, undefined, `${workflows}/tagged_image.yaml@refs/tags/v1/../x`)).toBe(false)
  })

  it('is for no other image', async () => {
    for (const repository of [
      'ghcr.io/tracemachina/other',
      'evil.io/tracemachina/nativelink',
      `${nativelink}/x`,
      `x${nativelink}`,
    ])
      expect(await findPolicy([builtIn], { repository, tag: 'v1' })).toBeUndefined()
  })
})

describe("a user's own policy", () => {
  it.each([
    ['signers: [{key: k.pub, validUntil: 2020-01-01}]', /validUntil: expected a time like 2027-01-31T00:00:00Z/],
    ['signers: [{keys: k.pub}]', /keys: there is no such setting/],
    ['signers: [k.pub]', /expected a signer: key, or identity and issuer/],
  ])('with "%s" says what is wrong there', async (line, problem) => {
    const file = await policyFile(`policies:\n  - images: [host/app]\n    ${line}\n`)
    await expect(findPolicy([file], { repository: 'host/app', tag: '1' })).rejects.toThrow(problem)
  })

  it.each(['host/app:1', 'localhost:5000/app:*', 'host/app@sha256:0'])(
    'cannot be for %s: tags have a list of their own',
    async (image) => {
      const file = await policyFile(`policies:\n  - images: ['${image}']\n    signers: [{key: k.pub}]\n`)
      await expect(findPolicy([file], { repository: 'host/app', tag: '1' })).rejects.toThrow(/`tags`/)
    },
  )

  it('may want several signers; all of them unless it says otherwise', async () => {
    const { publicKey } = keyPair()
    await writeFile(join(folder, 'team.pub'), publicKey.export({ type: 'spki', format: 'pem' }))
    const file = await policyFile(`
policies:
  - images: [registry.example/**]
    signers:
      - {key: team.pub, validUntil: 2027-01-31T00:00:00Z}
      - {identity: me@example.com, issuer: https://accounts.example}
    log: ignored
    annotations: {env: prod}
    trustedRoot: root.json
`)
    expect(await findPolicy([file], { repository: 'registry.example/a/b', tag: 'x' })).toMatchObject({
      file,
      threshold: 2,
      logRequired: false,
      signers: [
        { kind: 'key', validUntil: Date.UTC(2027, 0, 31) },
        { kind: 'identity', workflow: {} },
      ],
      annotations: new Map([['env', 'prod']]),
      trustedRoot: join(folder, 'root.json'),
    })
  })

  it('says where it is wrong', async () => {
    const wrong = {
      'policies: []': 'policies',
      'policies: [{images: [a], signers: [{identity: x}]}]': 'signers[0]',
      'policies: [{images: [a], signers: [{identity: x, issuer: y}], threshold: 2}]': 'threshold',
      'policies: [{images: [a], signers: [{identity: x, issuer: y}], treshold: 1}]': 'treshold',
      'policies: [{images: [a], signers: []}]': 'signers',
    }
    for (const [text, named] of Object.entries(wrong)) {
      const error = await findPolicy([await policyFile(text)], { repository: 'a', tag: 'x' }).catch(
        (each: unknown) => each,
      )
      expect(error).toBeInstanceOf(Failure)
      expect(error).toMatchObject({ kind: 'invalid', message: expect.stringContaining(named) })
    }
  })

  it('that names a key which is not there, or no key, is refused', async () => {
    const file = await policyFile('policies: [{images: [a], signers: [{key: missing.pub}]}]')
    await expect(findPolicy([file], { repository: 'a', tag: 'x' })).rejects.toMatchObject({
      kind: 'not-found',
      where: file,
    })
    await writeFile(join(folder, 'missing.pub'), '-----BEGIN PRIVATE KEY-----\n')
    await expect(findPolicy([file], { repository: 'a', tag: 'x' })).rejects.toMatchObject({ kind: 'invalid' })
    const elsewhere = await policyFile('policies: [{images: [a], signers: [{key: "gcpkms://k"}]}]')
    await expect(findPolicy([elsewhere], { repository: 'a', tag: 'x' })).rejects.toMatchObject({
      kind: 'unimplemented',
      where: elsewhere,
    })
  })
})

describe('a regular expression', () => {
  it('matches the whole text or nothing', () => {
    const prefix = fc.string({ minLength: 1, maxLength: 5 })
    fc.assert(
      fc.property(prefix, prefix, (before, after) => {
        const rule = anchored('me@example\\.com|you@example\\.com', 'flag')
        expect(fits(rule, 'you@example.com')).toBe(true)
        expect(fits(rule, `${before}me@example.com`)).toBe(false)
        expect(fits(rule, `you@example.com${after}`)).toBe(false)
      }),
    )
  })

  it('cannot undo its anchors', () => {
    for (const source of ['a)|(b', 'a|b)(', '(', 'a\\', '[']) expect(() => anchored(source, 'flag')).toThrow(Failure)
    expect(fits(anchored('a$|^b', 'flag'), 'ab')).toBe(false)
    expect(fits(anchored('a', 'flag'), 'a\nb')).toBe(false)
  })
})
