import { readFile } from 'node:fs/promises'
import { systemFailure } from '../../../host/system-errors.ts'
import type { ContentDigest } from '../../../image/content-digest.ts'
import { registryImage } from '../../../image/in-cluster.ts'
import { openRegistryReader } from '../../../image/media/registry/registry.ts'
import { imageNameText } from '../../../image/name.ts'
import type { ImageContext } from '../../../image/open.ts'
import type { RegistryReference } from '../../../image/reference.ts'
import { signatureKey } from '../../../trust/media.ts'
import { parseSigningKey, type SigningKey } from '../../../trust/signing-key.ts'
import { keyBundle, signStatement, simplePayload } from '../../../trust/statement.ts'
import { attachAsReferrer, attachByTag } from './attach.ts'
import type { KeylessPlaces } from './keyless.ts'

/** Where signatures go: cosign 2 looks for a tag, cosign 3 for what refers to the image; `native` looks for both. */
export type SignatureForm = 'tag' | 'referrer'

export interface SignRequest {
  /** A private key file; without one, an identity token identifies the signer. */
  readonly key: string | undefined
  readonly passphrase: string | undefined
  readonly keyless: KeylessPlaces
  readonly annotations: Readonly<Record<string, string>>
  readonly forms: readonly SignatureForm[]
}

/** What was signed; `--json` prints it. */
export interface SignedImage {
  readonly image: string
  readonly digest: ContentDigest
  /** Where the signatures are: tags, and digests of manifests. */
  readonly signatures: readonly string[]
}

/**
 * Signs the image that a reference currently names, by its digest, and attaches the signatures next to it.
 * @throws Failure 'not-found' if there is no such image or key, 'denied', 'unavailable', 'invalid'
 */
export async function signImage(
  reference: RegistryReference,
  request: SignRequest,
  around: ImageContext,
): Promise<SignedImage> {
  // Checked before any request: an unusable key has nothing to do with the registry.
  const key = request.key === undefined ? undefined : await readKey(request.key, request.passphrase)
  const { image, called } = await registryImage(reference, around)
  const reader = await openRegistryReader(image, around)
  try {
    const raw = await reader.manifest()
    const { registry, repository } = called
    const toSign = { digest: raw.digest, repository: `${registry}/${repository}`, annotations: request.annotations }
    const place = { image, reader, options: around }
    const signatures: string[] = []
    for (const form of new Set(request.forms)) {
      if (form === 'tag') {
        const payload = simplePayload(toSign)
        signatures.push(await attachByTag(place, raw.digest, payload, await annotationsOf(payload, key, request)))
      } else {
        const bundle = await bundleOf(signStatement(toSign), key, request)
        signatures.push(await attachAsReferrer(place, raw, bundle, new Date(around.clock.now())))
      }
    }
    return { image: imageNameText({ ...called, digest: raw.digest }), digest: raw.digest, signatures }
  } finally {
    await reader.close()
  }
}

async function annotationsOf(
  payload: Buffer,
  key: SigningKey | undefined,
  { keyless }: SignRequest,
): Promise<Record<string, string>> {
  if (key) return { [signatureKey]: key.sign(payload).toString('base64') }
  const { signedAnnotations } = await import('./keyless.ts')
  return signedAnnotations(payload, keyless)
}

async function bundleOf(statement: Buffer, key: SigningKey | undefined, { keyless }: SignRequest): Promise<object> {
  if (key) return keyBundle(statement, key)
  const { signedBundle } = await import('./keyless.ts')
  return signedBundle(statement, keyless)
}

/**
 * Checks that signing is possible, before a long copy whose image would otherwise be left without a signature.
 * @returns who signs, in words
 * @throws Failure like signImage for keys, 'denied' if nothing can identify the signer
 */
export async function signerOf({ key, passphrase, keyless }: SignRequest): Promise<string> {
  if (key !== undefined) {
    await readKey(key, passphrase)
    return `the key in ${key}`
  }
  const { assertIdentity } = await import('./keyless.ts')
  assertIdentity(keyless)
  return 'whom an identity token names'
}

async function readKey(file: string, passphrase: string | undefined): Promise<SigningKey> {
  try {
    return parseSigningKey(await readFile(file, 'utf8'), file, passphrase)
  } catch (error) {
    throw systemFailure(error, { doing: 'cannot read the key', where: file })
  }
}
