import type { Requirement } from './policy.ts'
import type { Root } from './root.ts'
import type { Signer } from './signer.ts'

/** A cryptographically valid signature. */
export interface Proof {
  readonly signer: Signer
  /** When it was made, milliseconds since 1970, according to logs and timestamp authorities; earliest first. */
  readonly times: readonly number[]
}

export interface ProvingOptions {
  readonly openRoot: () => Promise<Root>
  readonly requirement: Pick<Requirement, 'logRequired' | 'sctRequired' | 'timestampRequired'>
  /** Milliseconds since 1970. */
  readonly now: number
}
