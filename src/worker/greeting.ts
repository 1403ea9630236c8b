import { randomBytes } from 'node:crypto'
import type { Secret } from '../core/secret.ts'
import { workerApi } from '../wire/proto.ts'
import { Code, RpcError } from '../wire/rpc.ts'

/** How a worker introduces itself on one stream. */
export interface Greeting {
  /** Its first message, serialised. */
  readonly hello: Uint8Array
  /**
   * The answer to the scheduler's challenge, serialised.
   * @throws RpcError UNAUTHENTICATED when the scheduler does not know the secret
   */
  answer(challenge: workerApi.Challenge.$Properties): Uint8Array
  /**
   * Nothing is accepted from a scheduler before this passes.
   * @throws RpcError UNAUTHENTICATED when the scheduler has yet to show that it knows the secret
   */
  assertKnown(): void
}

const nonceBytes = 32
/** Identifies this process: only this process may replace its own registration when a connection hangs. */
const run = randomBytes(16)

/** @param secret what the scheduler must prove to know, as this worker does; without it any scheduler will do */
export function createGreeting(hello: workerApi.Hello.$Properties, secret: Secret | undefined): Greeting {
  const nonce = secret ? randomBytes(nonceBytes) : undefined
  const first = workerApi.FromWorker.encode({ hello: { ...hello, run, ...(nonce && { nonce }) } }).finish()
  let known = secret === undefined
  return {
    hello: first,
    answer(challenge) {
      if (!secret) throw refused('this worker has no secret, which the scheduler asks for')
      const theirs = challenge.nonce ?? new Uint8Array()
      if (!secret.verify(challenge.proof ?? new Uint8Array(), 'native.worker.v1 scheduler', first, theirs))
        throw refused('what listens at the scheduler’s address does not know the secret')
      known = true
      const proof = secret.prove('native.worker.v1 worker', first, theirs)
      return workerApi.FromWorker.encode({ proof: { proof } }).finish()
    },
    assertKnown() {
      if (!known) throw refused('what listens at the scheduler’s address does not show that it knows the secret')
    },
  }
}

function refused(message: string): RpcError {
  return new RpcError(Code.UNAUTHENTICATED, message)
}
