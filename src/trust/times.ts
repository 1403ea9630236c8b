import { RFC3161Timestamp } from '@sigstore/core'
import type { TrustMaterial } from '@sigstore/verify'
import type { Evidence } from './evidence.ts'
import { Rejection } from './rejection.ts'
import type { Root } from './root.ts'

type Authority = TrustMaterial['timestampAuthorities'][number]

/** Evidence with only those log entries and timestamps whose log or authority is in a root. */
export interface Known extends Omit<Evidence, 'timestamps'> {
  readonly timestamps: readonly RFC3161Timestamp[]
}

/** The latest time of a Date, milliseconds since 1970 (ECMA-262, 21.4.1.1). */
const timeMax = 8_640_000_000_000_000

/**
 * The evidence without entries and timestamps from logs and authorities that are not in the root: they prove nothing.
 * Those from known ones are checked even if none is required (CVE-2022-36056).
 * @throws Rejection 'malformed' for a timestamp that cannot be read
 */
export function knownOf(evidence: Evidence, { material }: Root): Known {
  return {
    ...evidence,
    logEntries: evidence.logEntries.filter((entry) =>
      material.tlogs.some((log) => log.logID.equals(entry.logId.keyId)),
    ),
    timestamps: evidence.timestamps
      .map(readTimestamp)
      .filter((stamp) => material.timestampAuthorities.some((authority) => isOf(stamp, authority))),
  }
}

/**
 * When the signature was made, the earliest first: the time of an entry only where the log signed it, which is in
 * its promise of inclusion; a proof of inclusion signs no time (CVE-2026-48816).
 * @returns milliseconds since 1970
 * @throws Rejection 'malformed'
 */
export function timesOf({ logEntries, timestamps }: Known): number[] {
  const logged = logEntries.flatMap((each) => (each.inclusionPromise ? [Number(each.integratedTime) * 1000] : []))
  const stamped = timestamps.map((each) => each.signingTime.getTime())
  const times = [...logged, ...stamped]
  if (times.some((each) => !Number.isSafeInteger(each) || each <= 0 || each > timeMax))
    throw new Rejection('malformed', 'the time in its log entry is not a time')
  return times.sort((a, b) => a - b)
}

/** Does the timestamp call this authority its signer? By issuer and serial number, as @sigstore/verify finds it. */
function isOf(stamp: RFC3161Timestamp, { certChain: [leaf] }: Authority): boolean {
  if (!leaf) return false
  return leaf.serialNumber.equals(stamp.signerSerialNumber) && leaf.issuer.equals(stamp.signerIssuer)
}

function readTimestamp(der: Buffer): RFC3161Timestamp {
  try {
    const timestamp = RFC3161Timestamp.parse(Buffer.from(der))
    // Touch the parts needed later: the parser locates them lazily, and would only fail then.
    void [timestamp.signingTime, timestamp.signerIssuer, timestamp.signerSerialNumber]
    return timestamp
  } catch (cause) {
    throw new Rejection('malformed', 'its timestamp cannot be read', { cause })
  }
}
