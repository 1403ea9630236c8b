import { type Bundle, bundleFromJSON } from '@sigstore/bundle'
import type { X509Certificate } from '@sigstore/core'
import { z } from 'zod'
import type { Evidence } from './evidence.ts'
import { readJson } from './json.ts'
import { chainMax, logEntriesMax, partBytesMax, proofHashesMax, timestampsMax } from './limits.ts'
import { Rejection } from './rejection.ts'

const part = z.string().max(partBytesMax).nullish()
// A 64-bit number in decimal. Protobuf JSON may also have it as a number.
const integer = z.union([z.string().max(20), z.number()]).nullish()
const hash = z.string().max(128)

/**
 * Limits for each part (sigstore/protobuf-specs, sigstore_bundle.proto), checked before bundleFromJSON makes objects of
 * everything, and before anything is verified at the cost of a public key operation each. bundleFromJSON checks that
 * required parts are there.
 */
const bounds = z.looseObject({
  mediaType: z.string().max(128),
  verificationMaterial: z
    .looseObject({
      publicKey: z.looseObject({ hint: part }).nullish(),
      x509CertificateChain: z.looseObject({ certificates: z.array(z.unknown()).max(chainMax).nullish() }).nullish(),
      tlogEntries: z
        .array(
          z.looseObject({
            logIndex: integer,
            integratedTime: integer,
            inclusionPromise: z.looseObject({ signedEntryTimestamp: part }).nullish(),
            inclusionProof: z
              .looseObject({
                logIndex: integer,
                treeSize: integer,
                hashes: z.array(hash).max(proofHashesMax).nullish(),
                checkpoint: z.looseObject({ envelope: part }).nullish(),
              })
              .nullish(),
            canonicalizedBody: part,
          }),
        )
        .max(logEntriesMax)
        .nullish(),
      timestampVerificationData: z
        .looseObject({
          rfc3161Timestamps: z
            .array(z.looseObject({ signedTimestamp: part }))
            .max(timestampsMax)
            .nullish(),
        })
        .nullish(),
    })
    .nullish(),
  dsseEnvelope: z
    .looseObject({
      payloadType: part,
      signatures: z
        .array(z.looseObject({ sig: part }))
        .max(64)
        .nullish(),
    })
    .nullish(),
})

/**
 * A Sigstore bundle (0.1 to 0.3) with a DSSE envelope: the format of cosign 3 and of GitHub's workflow attestations.
 * @throws Rejection 'malformed'; 'unsupported' for a bundle with other content
 */
export async function readBundle(bytes: Uint8Array): Promise<readonly Evidence[]> {
  const bundle = parsed(bytes)
  const { verificationMaterial: material, content } = bundle
  if (content.$case !== 'dsseEnvelope')
    throw new Rejection('unsupported', 'its bundle contains only a bare signature, not a statement about an image')
  const { payload, payloadType, signatures } = content.dsseEnvelope
  const [only] = signatures
  // bundleFromJSON has ensured that there is exactly one.
  if (!only) throw new Rejection('malformed', 'the envelope has no signature')
  const evidence: Evidence = {
    form: 'bundle',
    content: { format: 'in-toto', payload, payloadType },
    signature: only.sig,
    certificate: await certificateOf(bundle),
    keyHint: material.content.$case === 'publicKey' ? material.content.publicKey.hint : undefined,
    logEntries: material.tlogEntries,
    timestamps: (material.timestampVerificationData?.rfc3161Timestamps ?? []).map((each) => each.signedTimestamp),
  }
  return [evidence]
}

function parsed(bytes: Uint8Array): Bundle {
  const document = readJson(bytes, bounds, 'its bundle')
  try {
    return bundleFromJSON(document)
  } catch (cause) {
    throw new Rejection('malformed', 'its bundle lacks parts that a bundle of its version must have', { cause })
  }
}

/** The leaf. Further certificates are ignored: issuers come from the trusted root only. */
async function certificateOf({ verificationMaterial: { content } }: Bundle): Promise<X509Certificate | undefined> {
  if (content.$case === 'publicKey') return undefined
  const leaf = content.$case === 'certificate' ? content.certificate : content.x509CertificateChain.certificates[0]
  if (!leaf) throw new Rejection('malformed', 'its chain of certificates is empty')
  const { readCertificate } = await import('./certificate.ts')
  return readCertificate(leaf.rawBytes)
}
