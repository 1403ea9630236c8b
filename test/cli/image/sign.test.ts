import { createHash, createPublicKey, generateKeyPairSync } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type SignatureForm, signImage } from '../../../src/cli/image/sign/sign.ts'
import { wishesOf } from '../../../src/cli/verify/flags.ts'
import { verifyByWishes } from '../../../src/cli/verify/run.ts'
import { systemClock } from '../../../src/core/clock.ts'
import { parseRegistryReference } from '../../../src/image/reference.ts'
import { testFolder } from '../../fixture/folder.ts'
import { testImageContext } from '../../fixture/image-context.ts'
import { startRegistry } from '../../fixture/registry/registry.ts'
import { type Deployment, githubIssuer, startDeployment } from '../../trust/fixture/deployment.ts'
import { putImage } from '../../trust/fixture/put.ts'
import { signerPem } from '../../trust/fixture/signing.ts'

const identity = 'https://github.com/owner/app/.github/workflows/image.yaml@refs/heads/main'

/** A token that nobody signed: a mock of Fulcio does not look. */
function token(claims: object): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part({ alg: 'none' })}.${part({ aud: 'sigstore', iss: githubIssuer, sub: identity, ...claims })}.x`
}

/** What Rekor records of an envelope; the mock records whatever it is sent. */
function asLogged(entry: Parameters<Awaited<ReturnType<Deployment['log']>>['log']>[0]) {
  const { spec } = entry as { spec: { proposedContent?: { envelope: string; verifiers: string[] } } }
  if (!spec.proposedContent) return entry
  const { envelope, verifiers } = spec.proposedContent
  const { payload, signatures } = JSON.parse(envelope)
  const hashOf = (bytes: Buffer) => ({ algorithm: 'sha256', value: createHash('sha256').update(bytes).digest('hex') })
  return {
    ...entry,
    spec: {
      envelopeHash: hashOf(Buffer.from(envelope)),
      payloadHash: hashOf(Buffer.from(payload, 'base64')),
      signatures: [{ signature: signatures[0].sig, verifier: verifiers[0] }],
    },
  }
}

/** Fulcio and Rekor of a deployment of @sigstore/mock, on loopback. */
async function serve(deployment: Deployment, status = 0): Promise<string> {
  const log = await deployment.log()
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
    const body = JSON.parse(Buffer.concat(chunks).toString())
    if (status !== 0)
      return void response.writeHead(status, { 'content-type': 'application/json' }).end('{"message":"no"}')
    if (request.url === '/api/v2/signingCert') {
      const publicKey = createPublicKey(body.publicKeyRequest.publicKey.content)
      const certificate = signerPem(await deployment.certificate({ publicKey, identity }))
      const chain = { certificates: [certificate, certificate] }
      response.writeHead(201, { 'content-type': 'application/json' })
      return void response.end(JSON.stringify({ signedCertificateEmbeddedSct: { chain } }))
    }
    const entry = await log.log(asLogged(body))
    response.writeHead(201, { 'content-type': 'application/json' }).end(JSON.stringify(entry))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function place(referrers = true) {
  const folder = await testFolder()
  const registry = await startRegistry()
  registry.referrers = referrers
  const digest = putImage(registry, '1')
  const image = `${registry.host}/app:1`
  const around = testImageContext(folder)
  const asked = (flags: Record<string, string | boolean | string[]>, trustedRoot?: string) =>
    verifyByWishes(parseRegistryReference(image), wishesOf(flags), {
      registry: { ...around, clock: systemClock },
      root: { cache: join(folder, 'tuf'), file: trustedRoot },
      builtInPolicies: join(import.meta.dirname, '../../../templates/trust'),
    })
  return { folder, registry, digest, image, around, asked }
}

const nowhere = {
  identityToken: undefined,
  fulcioUrl: undefined,
  rekorUrl: undefined,
  timestampUrl: undefined,
  env: {},
}
const forms: readonly (readonly SignatureForm[])[] = [['tag'], ['referrer'], ['tag', 'referrer']]

describe('an image is signed', () => {
  it.each(forms)('as whom a token names, and verified so (%s)', async (...form) => {
    const { folder, digest, image, around, asked } = await place()
    const deployment = await startDeployment()
    const url = await serve(deployment)
    const keyless = { ...nowhere, identityToken: token({}), fulcioUrl: url, rekorUrl: url }
    const request = { key: undefined, passphrase: undefined, keyless, annotations: { env: 'prod' }, forms: form }
    const signed = await signImage(parseRegistryReference(image), request, { ...around, clock: systemClock })
    expect(signed).toMatchObject({ digest, image: expect.stringContaining(`@${digest}`) })
    const root = join(folder, 'root.json')
    await writeFile(root, deployment.rootText)
    const who = { 'certificate-identity': identity, 'certificate-oidc-issuer': githubIssuer }
    const { verdict } = await asked({ ...who, annotations: ['env=prod'] }, root)
    expect(verdict).toMatchObject({ answer: 'verified', digest })
    const others = await asked({ ...who, 'certificate-identity': 'me@example.com' }, root)
    expect(others.verdict).toMatchObject({ answer: 'wrong-identity' })
  })

  it.each([true, false])('with a key, where referrers are listed (%s) and where they are not', async (referrers) => {
    const { folder, digest, image, around, asked, registry } = await place(referrers)
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    await writeFile(join(folder, 'key.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }))
    await writeFile(join(folder, 'key.pub'), publicKey.export({ type: 'spki', format: 'pem' }))
    const request = { passphrase: undefined, keyless: nowhere, annotations: {}, forms: ['referrer'] as const }
    const key = join(folder, 'key.pem')
    await signImage(parseRegistryReference(image), { ...request, key }, { ...around, clock: systemClock })
    const verdict = (await asked({ key: join(folder, 'key.pub'), 'insecure-ignore-tlog': true })).verdict
    expect(verdict).toMatchObject({ answer: 'verified', digest })
    expect(registry.manifests.has(`app:${digest.replace(':', '-')}`)).toBe(!referrers)
  })

  it('is not signed as nobody: where no token is, that is told, and nothing is written', async () => {
    const { image, around, registry } = await place()
    const request = {
      key: undefined,
      passphrase: undefined,
      keyless: nowhere,
      annotations: {},
      forms: ['tag'] as const,
    }
    await expect(signImage(parseRegistryReference(image), request, around)).rejects.toMatchObject({
      kind: 'denied',
      where: '--identity-token',
    })
    expect(registry.seen.every((each) => each.method === 'GET')).toBe(true)
  })

  it.each([400, 403, 404])(
    'is not where the authority refuses (%i), without the token in what is told',
    async (status) => {
      const { image, around } = await place()
      const url = await serve(await startDeployment(), status)
      const secret = token({ secret: 'hunter2' })
      const keyless = { ...nowhere, identityToken: secret, fulcioUrl: url, rekorUrl: url }
      const request = { key: undefined, passphrase: undefined, keyless, annotations: {}, forms: ['tag'] as const }
      const error: unknown = await signImage(parseRegistryReference(image), request, around).catch(
        (error: unknown) => error,
      )
      expect(error).toMatchObject({ name: 'Failure', kind: 'unavailable' })
      expect(String((error as Error).message)).not.toContain(secret)
    },
  )
})
