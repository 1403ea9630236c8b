import { X509Certificate } from 'node:crypto'
import type { SignOptions } from 'sigstore'
import { z } from 'zod'
import { Failure, messageOf } from '../../../core/failure.ts'
import { withNetwork } from '../../../image/network/process.ts'
import { certificateKey, inTotoType, logEntryKey, signatureKey, timestampKey } from '../../../trust/media.ts'

/** The services and the identity for signing without a key. */
export interface KeylessPlaces {
  /** An OIDC token that identifies the signer; without one, the CI system that this runs in is asked. */
  readonly identityToken: string | undefined
  readonly fulcioUrl: string | undefined
  readonly rekorUrl: string | undefined
  /** An RFC 3161 timestamp authority; none by default. */
  readonly timestampUrl: string | undefined
  readonly env: Readonly<Record<string, string | undefined>>
}

const fulcioUsual = 'https://fulcio.sigstore.dev'
const timeMsMax = 30_000

// The parts of a bundle that cosign 2 keeps in annotations.
const bundleSchema = z.looseObject({
  messageSignature: z.looseObject({ signature: z.string() }),
  verificationMaterial: z.looseObject({
    certificate: z.looseObject({ rawBytes: z.string() }).optional(),
    x509CertificateChain: z.looseObject({ certificates: z.array(z.looseObject({ rawBytes: z.string() })) }).optional(),
    tlogEntries: z.array(
      z.looseObject({
        logIndex: z.string(),
        logId: z.looseObject({ keyId: z.string() }),
        integratedTime: z.string(),
        inclusionPromise: z.looseObject({ signedEntryTimestamp: z.string() }).optional(),
        canonicalizedBody: z.string(),
      }),
    ),
    timestampVerificationData: z
      .looseObject({ rfc3161Timestamps: z.array(z.looseObject({ signedTimestamp: z.string() })).optional() })
      .optional(),
  }),
})

/**
 * Signs a payload as cosign 2 stores it: a short-lived certificate, its signature and its log entry as annotations.
 * @throws Failure 'denied' without an identity, 'unavailable'
 */
export function signedAnnotations(payload: Buffer, places: KeylessPlaces): Promise<Record<string, string>> {
  return reaching(places, async ({ sign }, options) => {
    const { messageSignature, verificationMaterial } = bundleSchema.parse(await sign(payload, options))
    const { certificate, x509CertificateChain: chain, tlogEntries, timestampVerificationData } = verificationMaterial
    const leaf = certificate ?? chain?.certificates[0]
    if (!leaf) throw new Failure('internal', 'the bundle that was returned has no certificate')
    const [entry] = tlogEntries
    const stamp = timestampVerificationData?.rfc3161Timestamps?.[0]
    return {
      [signatureKey]: messageSignature.signature,
      [certificateKey]: new X509Certificate(Buffer.from(leaf.rawBytes, 'base64')).toString(),
      ...(entry?.inclusionPromise
        ? { [logEntryKey]: rekorBundle(entry, entry.inclusionPromise.signedEntryTimestamp) }
        : {}),
      ...(stamp ? { [timestampKey]: JSON.stringify({ SignedRFC3161Timestamp: stamp.signedTimestamp }) } : {}),
    }
  })
}

/** Signs a statement as a bundle, as cosign 3 stores it. @throws like signedAnnotations */
export function signedBundle(statement: Buffer, places: KeylessPlaces): Promise<object> {
  return reaching(places, ({ attest }, options) => attest(statement, inTotoType, options))
}

/** Is there anything that could identify the signer? It may still be refused. @throws Failure 'denied' */
export function assertIdentity({ identityToken, env }: KeylessPlaces): void {
  const { ACTIONS_ID_TOKEN_REQUEST_URL: actions, BUILDKITE: buildkite } = env
  if (identityToken === undefined && !actions && buildkite !== 'true') throw nobody()
}

type Entry = z.output<typeof bundleSchema>['verificationMaterial']['tlogEntries'][number]

/** cosign, pkg/cosign/bundle: RekorBundle. */
function rekorBundle(entry: Entry, SignedEntryTimestamp: string): string {
  const Payload = {
    body: entry.canonicalizedBody,
    integratedTime: Number(entry.integratedTime),
    logIndex: Number(entry.logIndex),
    logID: Buffer.from(entry.logId.keyId, 'base64').toString('hex'),
  }
  return JSON.stringify({ SignedEntryTimestamp, Payload })
}

async function reaching<T>(
  { identityToken, fulcioUrl = fulcioUsual, rekorUrl, timestampUrl, env }: KeylessPlaces,
  work: (sigstore: typeof import('sigstore'), options: SignOptions) => Promise<T>,
): Promise<T> {
  if (!URL.canParse(fulcioUrl)) throw new Failure('invalid', `"${fulcioUrl}" is not a URL`, { where: '--fulcio-url' })
  const options: SignOptions = {
    ...(identityToken === undefined ? {} : { identityToken }),
    fulcioURL: fulcioUrl,
    ...(rekorUrl === undefined ? {} : { rekorURL: rekorUrl }),
    ...(timestampUrl === undefined ? {} : { tsaServerURL: timestampUrl }),
    retry: { retries: 2 },
    timeout: timeMsMax,
  }
  try {
    return await withNetwork(new URL(fulcioUrl), env, async () => work(await import('sigstore'), options))
  } catch (cause) {
    if (cause instanceof Failure) throw cause
    throw refused(cause, fulcioUrl)
  }
}

/** Errors of @sigstore/sign have codes of their own. */
function refused(cause: unknown, where: string): Failure {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  if (code === 'IDENTITY_TOKEN_READ_ERROR' || code === 'IDENTITY_TOKEN_PARSE_ERROR') return nobody(cause)
  return new Failure('unavailable', `cannot sign without a key: ${messageOf(cause)}`, { where, cause })
}

function nobody(cause?: unknown): Failure {
  return new Failure('denied', 'nothing says who is signing: there is no readable identity token', {
    where: '--identity-token',
    next: [
      'In GitHub Actions, give the job `permissions: id-token: write`. Elsewhere, pass an OIDC token with --identity-token or SIGSTORE_ID_TOKEN.',
      'Or sign with a key: --key FILE.',
    ],
    cause,
  })
}
