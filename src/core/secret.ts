import { createHmac, timingSafeEqual } from 'node:crypto'

/**
 * What a proof is for; it is valid for nothing else. A server's bearer token would be lost to whoever listens on the
 * port of a server that is down; a proof is of no use to them.
 */
export type Purpose =
  | 'native.worker.v1 scheduler'
  | 'native.worker.v1 worker'
  | 'native.worker.v1 request'
  | 'native server identity'
  | 'native client identity'

/** What only the servers of one cluster know. The bytes themselves cannot be read from it. */
export interface Secret {
  /** HMAC-SHA256 over the purpose and the parts, each prefixed with its length. */
  prove(purpose: Purpose, ...parts: readonly (Uint8Array | string)[]): Buffer
  /** Is this the proof for the same input? Constant-time for wrong proofs. */
  verify(proof: Uint8Array, purpose: Purpose, ...parts: readonly (Uint8Array | string)[]): boolean
}

/** A secret of these bytes, which are copied. */
export function createSecret(bytes: Uint8Array): Secret {
  const key = Buffer.from(bytes)

  function prove(purpose: Purpose, ...parts: readonly (Uint8Array | string)[]): Buffer {
    const mac = createHmac('sha256', key)
    for (const part of [purpose, ...parts]) {
      const length = Buffer.alloc(8)
      length.writeBigUInt64BE(BigInt(typeof part === 'string' ? Buffer.byteLength(part) : part.byteLength))
      mac.update(length).update(part)
    }
    return mac.digest()
  }

  return {
    prove,
    verify(proof, purpose, ...parts) {
      const right = prove(purpose, ...parts)
      return proof.byteLength === right.byteLength && timingSafeEqual(proof, right)
    },
  }
}
