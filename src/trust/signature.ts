import type { KeyObject } from 'node:crypto'
import { edSchemes, isPrehashSignedBy } from './ed25519.ts'
import { type Evidence, signedBytes } from './evidence.ts'
import { isSignedBy } from './keys.ts'

/** Did the owner of the key make this signature, by a scheme that is valid for its form? */
export async function isMadeBy(
  key: KeyObject,
  { content, signature, logEntries }: Pick<Evidence, 'content' | 'signature' | 'logEntries'>,
): Promise<boolean> {
  const signed = signedBytes(content)
  if (key.asymmetricKeyType !== 'ed25519') return isSignedBy(key, signed, signature)
  const schemes = edSchemes(logEntries)
  if (schemes.includes('pure') && isSignedBy(key, signed, signature)) return true
  return schemes.includes('prehashed') && isPrehashSignedBy(key, signed, signature)
}
