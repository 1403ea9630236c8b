import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Verdict, verdictExitCodes } from '../../src/trust/verdict.ts'
import { createNative, type Native } from '../fixture/program.ts'
import { startRegistry } from '../fixture/registry/registry.ts'
import { githubIssuer, keyPair, startDeployment } from '../trust/fixture/deployment.ts'
import { putImage, putSignature } from '../trust/fixture/put.ts'
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
} from '../trust/fixture/signing.ts'

// What scripts rely on: exit codes, the text, the JSON value, and what each flag changes. test/real/trust has the same
// exit codes for what real cosign signed.

const identity = 'https://github.com/owner/app/.github/workflows/image.yaml@refs/heads/main'
const custom = 'https://cosign.sigstore.dev/attestation/v1'

let native: Native
beforeAll(async () => {
  native = await createNative([])
})
afterAll(() => native.dispose())

const place = (name: string) => join(native.home, name)

/** An image that was signed with a key, in no log, and with an annotation. */
async function signedByKey() {
  const registry = await startRegistry()
  const digest = putImage(registry, '1')
  const keys = keyPair()
  const layer = asLayer(signSimple(simplePayload(digest, { env: 'prod' }), keys.privateKey))
  putSignature(registry, digest, layer, 'sig')
  for (const [name, { publicKey }] of [['cosign', keys] as const, ['other', keyPair()] as const])
    await writeFile(place(`${name}.pub`), publicKey.export({ type: 'spki', format: 'pem' }))
  const signers = '[{key: cosign.pub, validUntil: 2020-01-01T00:00:00Z}]'
  await writeFile(place('past.yaml'), `policies: [{images: ['**'], log: ignored, signers: ${signers}}]\n`)
  return { registry, digest, layer, keys, image: `${registry.host}/app:1` }
}

const byKey = ['--key', 'cosign.pub', '--insecure-ignore-tlog']

const cases: Record<
  Verdict['answer'],
  { said: RegExp; args: (each: Awaited<ReturnType<typeof signedByKey>>) => string[] }
> = {
  verified: {
    said: /^verified: .*\/app:1@sha256:[0-9a-f]{64}\n {2}signed by {2}the key sha256:/,
    args: ({ image }) => [...byKey, image],
  },
  unsigned: {
    said: /^unsigned: .*: it is in no transparency log/,
    args: ({ image }) => ['--key', 'cosign.pub', image],
  },
  'wrong-identity': {
    said: /^wrong identity: .*\n {2}wanted +the key other\.pub .*\n {2}found +another key/,
    args: ({ image }) => ['--key', 'other.pub', '--insecure-ignore-tlog', image],
  },
  'not-found': { said: /^no such image: /, args: ({ registry }) => [...byKey, `${registry.host}/app:2`] },
  tampered: {
    said: /^tampered: .*: its bytes do not match its digest/,
    args: ({ registry, layer, image }) => {
      const body = Buffer.from(layer.bytes.toString().replace('cosign', 'cosigm'))
      registry.fault = ({ path }) => (path.includes('/blobs/') ? { body } : undefined)
      return [...byKey, image]
    },
  },
  expired: {
    said: /^expired: .*: the key cosign\.pub was not in use/,
    args: ({ image }) => ['--policy', 'past.yaml', image],
  },
  unreachable: { said: /^unreachable: /, args: () => [...byKey, '--retry-times', '0', '127.0.0.1:1/app:1'] },
  'policy-missing': { said: /^policy missing: .*\n {2}→ Give --certificate-identity/, args: ({ image }) => [image] },
}

describe('native image verify', () => {
  it.each(Object.keys(cases) as Verdict['answer'][])(
    'answers %s with its exit code, in words and as JSON',
    async (answer) => {
      const { said, args } = cases[answer]
      const all = args(await signedByKey())
      const exitCode = verdictExitCodes[answer]
      const words = await native.run('image', 'verify', ...all)
      expect(words).toMatchObject({ exitCode, stdout: expect.stringMatching(said) })
      expect(words.stderr).not.toMatch(/^ {4}at |error/m)
      for (const form of [['-o', 'json'], ['--json']]) {
        const json = await native.run('verify', ...form, ...all)
        expect({ exitCode: json.exitCode, said: JSON.parse(json.stdout) }).toMatchObject({
          exitCode,
          said: { answer, exitCode },
        })
      }
    },
  )

  it('warns on stderr of what was not required, and of nothing else', async () => {
    const { image } = await signedByKey()
    const both = await native.run('verify', ...byKey, '--insecure-ignore-sct', image)
    expect(both.stderr.split('\n').map((each) => each.slice(0, 40))).toEqual([
      'warning: No transparency log was require',
      'warning: No certificate log was required',
    ])
    expect((await native.run('verify', '--key', 'cosign.pub', image)).stderr).toBe('')
  })

  it('-a wants annotations, all of them', async () => {
    const { image } = await signedByKey()
    const asked = (...notes: string[]) =>
      native.run('verify', ...byKey, ...notes.flatMap((each) => ['-a', each]), image)
    expect(await asked('env=prod')).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('env=prod') })
    expect(await asked('env=prod', 'tier=1')).toMatchObject({ exitCode: 21 })
    expect(await asked('env=dev')).toMatchObject({ exitCode: 21, stdout: expect.stringMatching(/found +env=prod/) })
    expect(await asked('env')).toMatchObject({ exitCode: 2 })
  })

  it('--type wants an attestation of that type, and no signature', async () => {
    const { registry, digest, keys, image } = await signedByKey()
    const layer = asDsseLayer(signStatement(statement(digest, custom), keys.privateKey))
    putSignature(registry, digest, layer, 'att')
    const asked = (type: string) => native.run('verify', ...byKey, '--type', type, '-o', 'json', image)
    const right = await asked('custom')
    expect(right.exitCode).toBe(0)
    expect(JSON.parse(right.stdout)).toMatchObject({ digest, signatures: [{ form: 'dsse', predicateType: custom }] })
    expect(await asked(custom)).toMatchObject({ exitCode: 0 })
    expect(await asked('slsaprovenance1')).toMatchObject({ exitCode: 20 })
    expect(await asked('nonsense')).toMatchObject({ exitCode: 2 })
  })
})

describe('native image verify of a private deployment', () => {
  /** Signs as a workflow does; what the options say is left out. */
  async function keyless(options: { sct?: boolean; entry?: boolean; stamp?: boolean }) {
    const registry = await startRegistry()
    const deployment = await startDeployment()
    await writeFile(place('root.json'), deployment.rootText)
    const digest = putImage(registry, '1')
    const keys = keyPair()
    const certificate = await deployment.certificate({ publicKey: keys.publicKey, identity, sct: options.sct ?? true })
    const signed = signStatement(statement(digest), keys.privateKey)
    const parts = {
      certificate,
      entry: options.entry === false ? undefined : await recorded(deployment, signed, certificate, { kind: 'dsse' }),
      timestamp: options.stamp ? await deployment.stamp(signed.signature) : undefined,
    }
    putSignature(registry, digest, asBundle(bundleOf({ ...signed, ...parts })), 'referrer')
    const wanted = ['--certificate-identity', identity, '--certificate-oidc-issuer', githubIssuer]
    return async (...flags: string[]) => {
      const ran = await native.run(
        'verify',
        ...wanted,
        '--trusted-root',
        'root.json',
        ...flags,
        `${registry.host}/app:1`,
      )
      return ran.exitCode
    }
  }

  it('--trusted-root is what a signature is verified by; the one that is shipped does not know it', async () => {
    const asked = await keyless({})
    expect(await asked()).toBe(0)
    expect(await asked('--certificate-github-workflow-repository', 'owner/app')).toBe(21)
    await writeFile(place('root.json'), (await startDeployment()).rootText)
    expect(await asked()).toBe(20)
  })

  it('--use-signed-timestamps wants a timestamp', async () => {
    const without = await keyless({})
    expect([await without(), await without('--use-signed-timestamps')]).toEqual([0, 20])
    const stamped = await keyless({ stamp: true })
    expect([await stamped(), await stamped('--use-signed-timestamps')]).toEqual([0, 0])
  })

  it('--insecure-ignore-tlog wants no log, but something that says when it was signed', async () => {
    const stamped = await keyless({ entry: false, stamp: true })
    expect([await stamped(), await stamped('--insecure-ignore-tlog')]).toEqual([20, 0])
    const without = await keyless({ entry: false })
    expect([await without(), await without('--insecure-ignore-tlog')]).toEqual([20, 20])
  })

  it('--insecure-ignore-sct wants no certificate log', async () => {
    const asked = await keyless({ sct: false })
    expect([await asked(), await asked('--insecure-ignore-sct')]).toEqual([23, 0])
  })
})
