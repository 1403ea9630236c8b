/**
 * Why a signature does not count.
 * - malformed: it cannot be read, or has more of something than is read
 * - forged: its cryptography does not hold
 * - other-subject: it is about another image
 * - expired: a certificate or key was not valid when it was made
 * - other-signer: it is good, and by somebody who was not asked for
 * - other-annotations: it is good, and does not say what was asked for
 * - unlogged: no log or timestamp that we trust says when it was made
 * - unsupported: a kind of signature that is not read here
 */
export type RejectionReason =
  | 'malformed'
  | 'forged'
  | 'other-subject'
  | 'expired'
  | 'other-signer'
  | 'other-annotations'
  | 'unlogged'
  | 'unsupported'

/** Ends the judgement of one signature; the others are still examined. */
export class Rejection extends Error {
  readonly reason: RejectionReason
  /** The signer or annotation found instead, if any. */
  readonly found: string | undefined

  constructor(reason: RejectionReason, message: string, facts: { found?: string; cause?: unknown } = {}) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause })
    this.name = 'Rejection'
    this.reason = reason
    this.found = facts.found
  }
}
