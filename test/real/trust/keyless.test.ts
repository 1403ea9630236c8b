import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createWorkdir, have } from '../../fixture/real.ts'
import { startRegistry } from '../../fixture/registry/registry.ts'
import { githubIssuer, keyPair, startDeployment } from '../../trust/fixture/deployment.ts'
import { putImage, putSignature } from '../../trust/fixture/put.ts'
import {
  asBundle,
  asLayer,
  bundleOf,
  recorded,
  signSimple,
  signStatement,
  simplePayload,
  statement,
} from '../../trust/fixture/signing.ts'
import { verify } from './cosign.ts'

// Keyless signatures of a private deployment: real cosign and we read the same bytes, with the
// same trusted root and the same flags, and come to the same answer. It shows that what the
// unit tests sign is what cosign takes for a signature.

const canRun = await have('sid:cosign')
const identity = 'https://github.com/owner/app/.github/workflows/image.yaml@refs/heads/main'

type Form = 'sig' | 'bundle'

async function signed(form: Form) {
  const work = createWorkdir()
  onTestFinished(() => work.remove())
  const registry = await startRegistry()
  const deployment = await startDeployment()
  const digest = putImage(registry, '1')
  const keys = keyPair()
  const extensions = { '1.3.6.1.4.1.57264.1.5': 'owner/app', '1.3.6.1.4.1.57264.1.6': 'refs/heads/main' }
  const certificate = await deployment.certificate({ publicKey: keys.publicKey, identity, extensions })
  if (form === 'sig') {
    const signature = signSimple(simplePayload(digest), keys.privateKey)
    const entry = await recorded(deployment, signature, certificate)
    putSignature(registry, digest, asLayer({ ...signature, certificate, entry }), 'sig')
  } else {
    const signature = signStatement(statement(digest), keys.privateKey)
    const entry = await recorded(deployment, signature, certificate, { kind: 'dsse' })
    putSignature(registry, digest, asBundle(bundleOf({ ...signature, certificate, entry })), 'referrer')
  }
  const root = join(work.path, 'trusted_root.json')
  await writeFile(root, deployment.rootText)
  return { work, image: `${registry.host}/app:1`, root, digest }
}

async function both(form: Form, flags: Record<string, string>) {
  const { work, image, root } = await signed(form)
  const all = { 'trusted-root': root, 'certificate-oidc-issuer': githubIssuer, ...flags }
  const args = Object.entries(all).map(([name, value]) => `--${name}=${value}`)
  const cosign = await work.chroot(['cosign', 'verify', '--allow-http-registry', ...args, image])
  const { verdict } = await verify(work.path, image, all)
  return { cosign: cosign.exitCode === 0 ? 'verified' : cosign.all, ours: verdict.answer }
}

describe.runIf(canRun).each(['sig', 'bundle'] as const)('what cosign verifies we verify, as %s', (form) => {
  it('with the exact identity', async () => {
    expect(await both(form, { 'certificate-identity': identity })).toEqual({ cosign: 'verified', ours: 'verified' })
  })

  it('with claims of the workflow', async () => {
    const right = { 'certificate-identity': identity, 'certificate-github-workflow-repository': 'owner/app' }
    expect(await both(form, right)).toEqual({ cosign: 'verified', ours: 'verified' })
    const wrong = { ...right, 'certificate-github-workflow-repository': 'owner/other' }
    expect(await both(form, wrong)).toEqual({ cosign: expect.stringContaining('Error'), ours: 'wrong-identity' })
  })

  it('not with another identity', async () => {
    const wrong = { 'certificate-identity': `${identity}x` }
    expect(await both(form, wrong)).toEqual({ cosign: expect.stringContaining('Error'), ours: 'wrong-identity' })
  })

  it('and where cosign is unsafe we are not: a regular expression has to match the whole identity', async () => {
    const part = { 'certificate-identity-regexp': 'github\\.com/owner/app' }
    expect(await both(form, part)).toEqual({ cosign: 'verified', ours: 'wrong-identity' })
    const whole = { 'certificate-identity-regexp': 'https://github\\.com/owner/app/.*@refs/heads/main' }
    expect(await both(form, whole)).toEqual({ cosign: 'verified', ours: 'verified' })
  })
})
