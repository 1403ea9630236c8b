import type { KeyObject } from 'node:crypto'
import type { TransparencyLogEntry } from '@sigstore/bundle'

/** Ed25519 over the bytes themselves, and Ed25519ph over their SHA-512 (RFC 8032, 5.1): neither verifies as the other. */
export type EdScheme = 'pure' | 'prehashed'

/**
 * Schemes that a signature with these log entries can be of, for an Ed25519 key.
 *
 * An entry says which. Rekor verifies a hashedrekord with Ed25519ph and takes no other, as it sees a digest only
 * (rekor, hashedrekord; rekor-tiles, verifySignature: WithED25519ph), and the envelope of a dsse or intoto entry with
 * pure Ed25519 (LoadVerifier). sigstore-go has the same rule (compatSignatureVerifier: pure for DSSE, Ed25519ph else).
 *
 * Without an entry nothing that is stored says which. cosign 2 signs with pure Ed25519; cosign 3 signs images and
 * attestations with Ed25519ph in both of its forms (GetDefaultLoadOptions), although its own `verify --key`, which
 * takes pure Ed25519 only, then refuses them (sigstore/cosign#5074). So either one counts: RFC 8032 keeps the two
 * apart by a prefix (dom2), so that taking both lets nothing pass that the key's owner did not sign.
 */
export function edSchemes(entries: readonly Pick<TransparencyLogEntry, 'kindVersion'>[]): readonly EdScheme[] {
  const told = entries.flatMap(({ kindVersion: { kind } }) => schemeOfKind[kind] ?? [])
  return (['pure', 'prehashed'] as const).filter((scheme) => told.every((each) => each === scheme))
}

const schemeOfKind: Readonly<Partial<Record<string, EdScheme>>> = {
  hashedrekord: 'prehashed',
  dsse: 'pure',
  intoto: 'pure',
}

const signatureLength = 64

/**
 * Did the owner of an Ed25519 key sign these bytes with Ed25519ph, with an empty context? Strict: rejects non-canonical
 * encodings, and keys of small order, for which one signature is valid for many messages.
 */
export async function isPrehashSignedBy(key: KeyObject, signed: Uint8Array, signature: Uint8Array): Promise<boolean> {
  const { x } = key.export({ format: 'jwk' })
  if (x === undefined || signature.byteLength !== signatureLength) return false
  const { ed25519ph } = await import('@noble/curves/ed25519.js')
  return ed25519ph.verify(signature, signed, Buffer.from(x, 'base64url'), { zip215: false })
}
