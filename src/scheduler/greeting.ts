import { randomBytes } from 'node:crypto'
import type { Secret } from '../core/secret.ts'
import type { workerApi } from '../wire/proto.ts'
import { Code, RpcError } from '../wire/rpc.ts'

/** The first messages on a worker's stream, until it can be admitted. */
export interface Greeting {
  /**
   * Takes the next message; returns the worker's hello once the exchange is complete.
   * @param bytes the message as received
   * @throws RpcError INVALID_ARGUMENT for an unexpected message, UNAUTHENTICATED for a worker that does not know the
   *   secret
   */
  take(bytes: Uint8Array, message: workerApi.FromWorker.$Properties): workerApi.Hello.$Properties | undefined
}

const nonceBytes = 32

/**
 * @param secret what workers must know; without it a hello is enough
 * @param tell sends the worker a message
 * @param guarded the transport admits only workers: one that proves no secret came with a token
 */
export function createGreeting(
  secret: Secret | undefined,
  tell: (message: workerApi.ToWorker.$Properties) => void,
  guarded = false,
): Greeting {
  const nonce = randomBytes(nonceBytes)
  let first: { readonly bytes: Uint8Array; readonly hello: workerApi.Hello.$Properties } | undefined

  function takeHello(known: Secret, bytes: Uint8Array, hello: workerApi.Hello.$Properties): void {
    if (hello.nonce?.byteLength !== nonceBytes) throw stranger('this scheduler takes only workers that know its secret')
    first = { bytes: Uint8Array.from(bytes), hello }
    tell({ challenge: { nonce, proof: known.prove('native.worker.v1 scheduler', bytes, nonce) } })
  }

  return {
    take(bytes, message) {
      if (first && secret) {
        const proof = message.proof?.proof
        if (!proof || !secret.verify(proof, 'native.worker.v1 worker', first.bytes, nonce))
          throw stranger('the worker does not know the secret of this scheduler')
        return first.hello
      }
      if (!message.hello) throw new RpcError(Code.INVALID_ARGUMENT, 'the first message of a worker must be its hello')
      if (!secret || (guarded && isWithoutSecret(message.hello))) return message.hello
      takeHello(secret, bytes, message.hello)
      return undefined
    },
  }
}

function isWithoutSecret({ nonce }: workerApi.Hello.$Properties): boolean {
  return (nonce?.byteLength ?? 0) === 0
}

function stranger(problem: string): RpcError {
  return new RpcError(
    Code.UNAUTHENTICATED,
    `${problem}: let "secret" in the worker's configuration name a file with the same one`,
  )
}
