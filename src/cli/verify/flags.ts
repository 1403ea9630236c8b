import { join } from 'node:path'
import { Flags } from '@oclif/core'
import { Failure } from '../../core/failure.ts'
import { workflowClaims } from '../../trust/workflow.ts'
import type { VerifyRequest } from './requirement.ts'
import type { RootPlace } from './root.ts'

/** Flags of every command that verifies: whom and what to trust, named as in cosign. */
export const trustFlags = {
  'certificate-identity': Flags.string({ summary: 'identity that must have signed, exactly', helpGroup: 'SIGNER' }),
  'certificate-identity-regexp': Flags.string({
    summary: 'identity that must have signed; must match all of it',
    helpGroup: 'SIGNER',
  }),
  'certificate-oidc-issuer': Flags.string({
    summary: 'issuer that vouches for the identity, exactly',
    helpGroup: 'SIGNER',
  }),
  'certificate-oidc-issuer-regexp': Flags.string({
    summary: 'issuer that vouches for the identity; must match all of it',
    helpGroup: 'SIGNER',
  }),
  'certificate-github-workflow-trigger': Flags.string({
    summary: 'event that ran the workflow',
    helpGroup: 'SIGNER',
  }),
  'certificate-github-workflow-sha': Flags.string({ summary: 'commit of the workflow', helpGroup: 'SIGNER' }),
  'certificate-github-workflow-name': Flags.string({ summary: 'name of the workflow', helpGroup: 'SIGNER' }),
  'certificate-github-workflow-repository': Flags.string({
    summary: 'OWNER/NAME of the workflow',
    helpGroup: 'SIGNER',
  }),
  'certificate-github-workflow-ref': Flags.string({ summary: 'git ref of the workflow', helpGroup: 'SIGNER' }),
  key: Flags.string({ summary: 'file with the public key that must have signed', helpGroup: 'SIGNER' }),
  policy: Flags.string({
    summary: 'file with your own trust policies, which come before the built-in ones',
    multiple: true,
    multipleNonGreedy: true,
    helpGroup: 'SIGNER',
  }),
  type: Flags.string({ summary: 'verify an attestation of this type instead of a signature', helpGroup: 'SIGNER' }),
  annotations: Flags.string({
    char: 'a',
    summary: 'key=value that the signature must carry',
    multiple: true,
    multipleNonGreedy: true,
    helpGroup: 'SIGNER',
  }),
  'trusted-root': Flags.file({
    summary: 'trusted_root.json of a private deployment',
    exclusive: ['tuf-mirror'],
    helpGroup: 'TRUST',
  }),
  'tuf-mirror': Flags.string({ summary: 'URL of a TUF repository to fetch the trusted root from', helpGroup: 'TRUST' }),
  'tuf-root': Flags.file({
    summary: 'root.json to start trusting the TUF repository by',
    dependsOn: ['tuf-mirror'],
    helpGroup: 'TRUST',
  }),
  'insecure-ignore-tlog': Flags.boolean({
    summary: 'accept signatures that are in no transparency log',
    helpGroup: 'TRUST',
  }),
  'insecure-ignore-sct': Flags.boolean({
    summary: 'accept certificates that are in no certificate log',
    helpGroup: 'TRUST',
  }),
  'use-signed-timestamps': Flags.boolean({
    summary: 'require a timestamp from a timestamp authority',
    helpGroup: 'TRUST',
  }),
}

type Flag = string | readonly string[] | boolean | number | undefined

/** Flags as parsed by oclif. */
export type TrustFlags = Readonly<Record<string, Flag>>

function textOf(flags: TrustFlags, name: keyof typeof trustFlags): string | undefined {
  const value = flags[name]
  return typeof value === 'string' ? value : undefined
}

/**
 * Without verification these flags have no effect, and whoever gives one expects otherwise.
 * @throws Failure 'invalid'
 */
export function assertNoTrust(flags: TrustFlags): void {
  const given = Object.keys(trustFlags).find((each) => flags[each] !== undefined && flags[each] !== false)
  if (given === undefined) return
  const signing = given === 'key' ? ['To sign what is written, add --sign --sign-key instead.'] : []
  throw new Failure('invalid', `--${given} needs --verify`, {
    where: `--${given}`,
    next: ['Add --verify to check the signature of the source before it is copied.', ...signing],
  })
}

/** Where the trusted root comes from, by those flags. */
export function rootPlaceOf(flags: TrustFlags, cacheDir: string): RootPlace {
  return {
    file: textOf(flags, 'trusted-root'),
    tufMirror: textOf(flags, 'tuf-mirror'),
    tufRoot: textOf(flags, 'tuf-root'),
    cache: join(cacheDir, 'tuf'),
    env: process.env,
  }
}

/** Whom to trust, by those flags. */
export function wishesOf(flags: TrustFlags): VerifyRequest {
  const text = (name: keyof typeof trustFlags) => textOf(flags, name)
  const list = (name: string): readonly string[] => {
    const value = flags[name]
    return typeof value === 'object' ? value : []
  }
  return {
    certificateIdentity: text('certificate-identity'),
    certificateIdentityRegexp: text('certificate-identity-regexp'),
    certificateOidcIssuer: text('certificate-oidc-issuer'),
    certificateOidcIssuerRegexp: text('certificate-oidc-issuer-regexp'),
    workflow: Object.fromEntries(
      workflowClaims.flatMap((claim) => {
        const value = text(`certificate-github-workflow-${claim}`)
        return value === undefined ? [] : [[claim, value]]
      }),
    ),
    key: text('key'),
    type: text('type'),
    annotations: list('annotations'),
    insecureIgnoreTlog: flags['insecure-ignore-tlog'] === true,
    insecureIgnoreSct: flags['insecure-ignore-sct'] === true,
    useSignedTimestamps: flags['use-signed-timestamps'] === true,
    policies: list('policy'),
  }
}
