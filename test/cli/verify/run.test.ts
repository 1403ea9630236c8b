import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { wishesOf } from '../../../src/cli/verify/flags.ts'
import { verdictJson, verdictText } from '../../../src/cli/verify/present.ts'
import { verifyByWishes } from '../../../src/cli/verify/run.ts'
import { parseRegistryReference } from '../../../src/image/reference.ts'
import { testFolder } from '../../fixture/folder.ts'
import { testImageContext } from '../../fixture/image-context.ts'
import { type RegistryFixture, startRegistry } from '../../fixture/registry/registry.ts'
import { keyPair } from '../../trust/fixture/deployment.ts'
import { putImage, putSignature } from '../../trust/fixture/put.ts'
import {
  asBundle,
  asLayer,
  bundleOf,
  signSimple,
  signStatement,
  simplePayload,
  statement,
} from '../../trust/fixture/signing.ts'

const builtInPolicies = join(import.meta.dirname, '../../../templates/trust')

/** An image that was signed, in a registry on loopback. */
async function signedIn(as: 'sig' | 'referrer') {
  const folder = await testFolder()
  const registry = await startRegistry()
  const digest = putImage(registry, '1')
  const keys = keyPair()
  const layer =
    as === 'sig'
      ? asLayer(signSimple(simplePayload(digest), keys.privateKey))
      : asBundle(bundleOf(signStatement(statement(digest), keys.privateKey)))
  putSignature(registry, digest, layer, as)
  const key = join(folder, 'cosign.pub')
  await writeFile(key, keys.publicKey.export({ type: 'spki', format: 'pem' }))
  const asked = (name = `${registry.host}/app:1`, flags: Record<string, string | boolean> = {}) => {
    const { tlsVerify, login, clock, signal } = testImageContext(folder)
    return verifyByWishes(parseRegistryReference(name), wishesOf({ key, 'insecure-ignore-tlog': true, ...flags }), {
      registry: { tlsVerify, login, retryTimes: 0, clock, signal },
      root: { cache: join(folder, 'tuf') },
      builtInPolicies,
    })
  }
  return { registry, digest, asked, layer }
}

const requests = (registry: RegistryFixture) => registry.seen.map((each) => `${each.method} ${each.path}`)

describe('in a registry', () => {
  it.each(['sig', 'referrer'] as const)('an image that was signed (%s) verifies', async (as) => {
    const { registry, digest, asked } = await signedIn(as)
    const run = await asked()
    expect(run.verdict).toMatchObject({ answer: 'verified', digest })
    expect(verdictText(run)).toContain(`verified: ${registry.host}/app:1@${digest}`)
    expect(verdictJson(run)).toMatchObject({ answer: 'verified', exitCode: 0, digest, policy: null })
    expect(run.warnings).toHaveLength(1)
  })

  it('it is asked for referrers by the API first, then by the fallback tag', async () => {
    const { registry, digest, asked } = await signedIn('referrer')
    await asked()
    const paths = requests(registry)
    const api = paths.indexOf(`GET /v2/app/referrers/${digest}`)
    const fallback = paths.indexOf(`GET /v2/app/manifests/${digest.replace(':', '-')}`)
    expect(api).toBeGreaterThan(0)
    expect(fallback).toBeGreaterThan(api)
    expect(paths.filter((each) => each.startsWith('PUT') || each.startsWith('POST'))).toEqual([])
  })

  it('with bytes other than their digest names the answer is tampered', async () => {
    const { registry, asked, layer } = await signedIn('sig')
    registry.fault = ({ path }) =>
      path.includes('/blobs/') ? { body: Buffer.from(layer.bytes.toString().replace('cosign', 'cosigm')) } : undefined
    expect((await asked()).verdict).toMatchObject({ answer: 'tampered', rejected: [{ reason: 'forged' }] })
  })

  it('with another manifest than was asked for by digest the answer is tampered', async () => {
    const { registry, digest, asked } = await signedIn('sig')
    registry.fault = ({ path }) => (path.endsWith(`/manifests/${digest}`) ? { body: Buffer.from('{}') } : undefined)
    expect((await asked(`${registry.host}/app@${digest}`)).verdict).toMatchObject({ answer: 'tampered', digest: null })
  })

  it('no such image, a failing one and a closed one are told apart from unsigned', async () => {
    const { registry, asked } = await signedIn('sig')
    expect((await asked(`${registry.host}/app:2`)).verdict).toMatchObject({ answer: 'not-found' })
    registry.fault = ({ path }) => (path.endsWith('.sig') ? { answer: { status: 503 } } : undefined)
    expect((await asked()).verdict).toMatchObject({ answer: 'unreachable' })
  })

  it.each([401, 403, 429, 500, 503])(
    'a list of referrers that is not given (%i) is missed where nothing else has the signature, and only there',
    async (status) => {
      const { registry, asked } = await signedIn('sig')
      registry.fault = ({ path }) => (path.includes('/referrers/') ? { answer: { status } } : undefined)
      expect((await asked()).verdict).toMatchObject({ answer: 'verified' })
      for (const key of registry.manifests.keys()) if (key.endsWith('.sig')) registry.manifests.delete(key)
      expect((await asked()).verdict).toMatchObject({ answer: 'unreachable' })
    },
  )

  it.each(['null', '[]'])(
    'with manifests: %s for what refers to the image the answer is unsigned',
    async (manifests) => {
      const { registry, asked } = await signedIn('sig')
      for (const key of registry.manifests.keys()) if (key.endsWith('.sig')) registry.manifests.delete(key)
      const type = 'application/vnd.oci.image.index.v1+json'
      const body = `{"schemaVersion":2,"mediaType":"${type}","manifests":${manifests}}`
      registry.fault = ({ path }) =>
        path.includes('/referrers/') ? { answer: { status: 200, headers: { 'content-type': type }, body } } : undefined
      expect((await asked()).verdict).toMatchObject({ answer: 'unsigned' })
    },
  )

  it('an image that no policy is for is not even looked up', async () => {
    const { registry, asked } = await signedIn('sig')
    const run = await asked(undefined, { key: false, 'insecure-ignore-tlog': false })
    expect(run.verdict).toMatchObject({ answer: 'policy-missing' })
    expect(verdictJson(run)).toMatchObject({ exitCode: 26 })
    expect(registry.seen).toEqual([])
  })
})
