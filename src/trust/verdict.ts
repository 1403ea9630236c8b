import type { Form } from './evidence.ts'
import type { RejectionReason } from './rejection.ts'
import type { Signer } from './signer.ts'
import type { ManifestDigest } from './source.ts'

/** A signature that counts. */
export interface GoodSignature {
  readonly signer: Signer
  readonly form: Form
  readonly where: string
  /** When it was made, ISO 8601, as a log or a timestamp authority says; null when nobody says it. */
  readonly madeAt: string | null
  readonly predicateType: string | null
  readonly annotations: Readonly<Record<string, string>>
}

/** A signature that does not count, and why. */
export interface RejectedSignature {
  readonly where: string
  readonly reason: RejectionReason
  readonly message: string
}

interface Looked {
  readonly image: string
  readonly digest: ManifestDigest
  readonly rejected: readonly RejectedSignature[]
}

/** The answer about an image: a closed union, each with its facts and its exit code. */
export type Verdict =
  | (Looked & { readonly answer: 'verified'; readonly signatures: readonly GoodSignature[] })
  | (Looked & { readonly answer: 'unsigned'; readonly message: string })
  | (Looked & {
      readonly answer: 'wrong-identity'
      readonly wanted: readonly string[]
      readonly found: readonly string[]
    })
  | (Omit<Looked, 'digest'> & {
      readonly answer: 'tampered'
      /** Null when already the image's own manifest is not what it should be. */
      readonly digest: ManifestDigest | null
      readonly message: string
    })
  | (Looked & { readonly answer: 'expired'; readonly message: string })
  | { readonly answer: 'not-found'; readonly image: string; readonly message: string }
  | {
      readonly answer: 'unreachable'
      readonly image: string
      readonly message: string
      readonly next: readonly string[]
    }
  | {
      readonly answer: 'policy-missing'
      readonly image: string
      readonly message: string
      readonly next: readonly string[]
    }

/** Why an image is not verified, for people: the end of a sentence. */
export function refusalText(verdict: Exclude<Verdict, { readonly answer: 'verified' }>): string {
  switch (verdict.answer) {
    case 'unsigned':
      return `it is unsigned: ${verdict.message}`
    case 'wrong-identity':
      return `it is signed, but not as required: wanted ${verdict.wanted.join(' and ')}, found ${verdict.found.join(' and ')}`
    case 'tampered':
      return `it was tampered with: ${verdict.message}`
    case 'expired':
      return `its signature has expired: ${verdict.message}`
    default:
      return verdict.message
  }
}

/** The exit codes of a process that asked for the verdict: scripts rely on them (README.md). */
export const verdictExitCodes: Readonly<Record<Verdict['answer'], number>> = {
  verified: 0,
  unsigned: 20,
  'wrong-identity': 21,
  'not-found': 22,
  tampered: 23,
  expired: 24,
  unreachable: 25,
  'policy-missing': 26,
}
