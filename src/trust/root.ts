import { createRequire } from 'node:module'
import { TrustedRoot } from '@sigstore/protobuf-specs'
import { type KeyFinderFunc, type TrustMaterial, toTrustMaterial } from '@sigstore/verify'
import { z } from 'zod'
import { Failure } from '../core/failure.ts'
import { trustedRootBytesMax } from './limits.ts'

/** The instance of the shipped root. */
const publicInstance = 'https://tuf-repo-cdn.sigstore.dev'
const mediaType = /^application\/vnd\.dev\.sigstore\.trustedroot(\+json;version=0\.[12]|\.v0\.[1-9]\+json)$/

const seedsSchema = z.record(z.string(), z.looseObject({ targets: z.record(z.string(), z.string()) }))
const rootSchema = z.looseObject({ mediaType: z.string().regex(mediaType) })

/** Trusted certificate authorities, logs and timestamp authorities, without signers' keys. */
export interface Root {
  /** Where it came from, for people. */
  readonly name: string
  readonly material: Omit<TrustMaterial, 'publicKey'>
}

/**
 * The root of Sigstore's public instance as shipped with @sigstore/tuf: it needs no network, and is as old as the
 * package.
 */
export function shippedRoot(): Root {
  const seeds = seedsSchema.parse(createRequire(import.meta.url)('@sigstore/tuf/seeds.json'))
  const encoded = seeds[publicInstance]?.targets['trusted_root.json']
  if (encoded === undefined) throw new Failure('internal', 'the package @sigstore/tuf has no trusted root in it')
  return parseRoot(Buffer.from(encoded, 'base64').toString('utf8'), 'the root of sigstore.dev that comes with native')
}

/**
 * Reads a trusted_root.json.
 * @param name the file, for errors and for the verdict
 * @throws Failure 'invalid'
 */
export function parseRoot(text: string, name: string): Root {
  if (Buffer.byteLength(text) > trustedRootBytesMax) throw bad('it is too large', name)
  return { name, material: materialOf(text, name) }
}

/** A root from a TUF client, which has verified its origin. */
export function rootOf(root: TrustedRoot, name: string): Root {
  return parseRoot(JSON.stringify(TrustedRoot.toJSON(root)), name)
}

function materialOf(text: string, name: string): Root['material'] {
  const noKeys: KeyFinderFunc = () => {
    throw new Failure('internal', 'a trusted root does not contain keys of signers')
  }
  try {
    const document: unknown = JSON.parse(text)
    if (!rootSchema.safeParse(document).success) throw bad('its mediaType is not that of a trusted root', name)
    const { publicKey: _, ...material } = toTrustMaterial(TrustedRoot.fromJSON(document), noKeys)
    if (material.certificateAuthorities.length + material.tlogs.length + material.timestampAuthorities.length === 0)
      throw bad('it names neither a certificate authority nor a log', name)
    return material
  } catch (cause) {
    if (cause instanceof Failure) throw cause
    throw new Failure('invalid', 'cannot read the trusted root: it is damaged', { where: name, cause })
  }
}

function bad(why: string, where: string): Failure {
  return new Failure('invalid', `cannot use this as a trusted root: ${why}`, {
    where,
    next: ['Give a trusted_root.json, as `cosign trusted-root create` or a TUF repository makes it.'],
  })
}
