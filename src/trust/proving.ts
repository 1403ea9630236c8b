import type { Requirement } from './policy.ts'
import type { Root } from './root.ts'
import type { Signer } from './signer.ts'

/** A signature whose cryptography holds. */
export interface Proof {
  readonly signer: Signer
  /** When it was made, milliseconds since 1970, as logs and timestamp authorities say; the earliest first. */
  readonly times: readonly number[]
}

export interface ProvingOptions {
  readonly openRoot: () => Promise<Root>
  readonly requirement: Pick<Requirement, 'logRequired' | 'sctRequired' | 'timestampRequired'>
  /** Milliseconds since 1970. */
  readonly now: number
}
