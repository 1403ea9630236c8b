import { workflowClaims } from '../../trust/certificate.ts'
import type { VerifyWishes } from './requirement.ts'

type Flag = string | readonly string[] | boolean | number | undefined

/** The flags of `image verify` (and of `image copy --verify`) that say whom and what to trust. */
export function wishesOf(flags: Readonly<Record<string, Flag>>): VerifyWishes {
  const text = (name: string) => {
    const value = flags[name]
    return typeof value === 'string' ? value : undefined
  }
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
