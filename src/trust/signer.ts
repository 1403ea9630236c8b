import type { WorkflowClaim } from './workflow.ts'

/** The maker of a signature. */
export type Signer =
  | {
      readonly kind: 'key'
      /** sha256 of the key's SubjectPublicKeyInfo, hexadecimal. */
      readonly fingerprint: string
    }
  | {
      readonly kind: 'certificate'
      readonly identities: readonly string[]
      /** Who vouched for the identity. */
      readonly issuer: string | undefined
      readonly workflow: Readonly<Partial<Record<WorkflowClaim, string>>>
    }

/** A unique text for a signer: signatures with the same text have the same signer. */
export function signerKey(signer: Signer): string {
  return signer.kind === 'key' ? signer.fingerprint : JSON.stringify([signer.issuer, ...signer.identities])
}

/** The signer in words. */
export function signerText(signer: Signer): string {
  if (signer.kind === 'key') return `the key sha256:${signer.fingerprint.slice(0, 16)}...`
  const workflow = signer.workflow.ref ? `, ref ${signer.workflow.ref}` : ''
  const issuer = signer.issuer ?? 'nobody'
  return `${signer.identities.join(' and ') || 'a certificate without a name'}, vouched for by ${issuer}${workflow}`
}
