import { errnoOf, Failure, messageOf } from '../../../core/failure.ts'
import { systemMeaning } from '../../../host/system-errors.ts'

/** The failure after this many milliseconds without any data. */
export function idle(url: URL, idleMsMax: number): Failure {
  return new Failure('deadline', `nothing arrived for ${idleMsMax / 1000} s`, { where: url.host })
}

/** The failure after this many milliseconds in total, although data was flowing. */
export function late(url: URL, wholeMsMax: number): Failure {
  return new Failure('deadline', `a short answer was still incomplete after ${wholeMsMax / 1000} s`, {
    where: url.host,
  })
}

const tlsCodes = /^(ERR_TLS_|ERR_SSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)/

/** True if the other side's certificate is the problem. */
function isTlsProblem(error: unknown): boolean {
  return error instanceof Error && tlsCodes.test(errnoOf(error) ?? '') && !isNoTls(error)
}

/** True if no trusted authority vouches for the other side. */
export function isUntrusted(error: unknown): boolean {
  return error instanceof Failure && /^(UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_)/.test(errnoOf(error.cause) ?? '')
}

/** True if the other side does not speak TLS at all. */
export function isNoTls(error: unknown): boolean {
  const code = errnoOf(error)
  return code === 'EPROTO' || code === 'ERR_SSL_WRONG_VERSION_NUMBER' || code === 'ERR_SSL_PACKET_LENGTH_TOO_LONG'
}

/**
 * An exchange's error as a Failure of the right kind.
 * @param tlsFlag the command's flag that disables certificate checks
 */
export function failed(error: unknown, url: URL, signal?: AbortSignal, tlsFlag?: string): unknown {
  if (signal?.aborted) return signal.reason
  if (error instanceof Failure) return error
  const code = errnoOf(error)
  if (isTlsProblem(error))
    return new Failure('denied', `the certificate of ${url.host} is not trusted (${code})`, {
      where: url.host,
      next: [
        `Put the certificate of its authority into /etc/containers/certs.d/${url.host}/ca.crt, or set SSL_CERT_FILE=FILE.`,
        ...(tlsFlag === undefined ? [] : [`To disable the check: ${tlsFlag}.`]),
      ],
      cause: error,
    })
  const meaning = systemMeaning(error)
  return new Failure('unavailable', `${url.host} cannot be reached: ${meaning?.says ?? messageOf(error)}`, {
    where: url.host,
    next: meaning ? [meaning.next] : [],
    cause: error,
  })
}
