import type { CasClient } from '../client/cas.ts'
import { type Digest, digestText } from '../core/digest.ts'
import { Failure } from '../core/failure.ts'
import { packAny } from '../wire/any.ts'
import { rpc } from '../wire/proto.ts'
import { blobSubject } from '../wire/resource.ts'
import { Code, RpcError } from '../wire/rpc.ts'

/** What a client's limit on trailers (commonly 8 KiB) leaves for details, before base64. */
const trailerDetailBytesMax = 4 * 1024
/** Keeps an ExecuteResponse with all of them under the message limit of 4 MiB; the rest is reported next time. */
const violationBytesMax = 3 * 1024 * 1024

/**
 * Rule 25: FAILED_PRECONDITION with one violation of type MISSING for each absent blob, the subject
 * `blobs/{fn/}{hash}/{size}`: what makes clients upload them and try again.
 * @param absent each blob once; the message also names the first one
 * @param reason what the storage says about the first one
 */
export function missingInputs(absent: readonly Digest[], reason?: string): RpcError {
  const violations: { type: string; subject: string; description: string }[] = []
  let bytes = 0
  for (const digest of absent) {
    const subject = blobSubject(digest)
    bytes += subject.length + 16
    if (bytes > violationBytesMax) break
    violations.push({ type: 'MISSING', subject, description: '' })
  }
  const [first] = absent
  const more = absent.length > 1 ? `; and ${absent.length - 1} more` : ''
  const message = `the storage lacks what the action needs: ${reason ?? (first ? digestText(first) : '')}${more}`
  const value = rpc.PreconditionFailure.encode({ violations }).finish()
  return new RpcError(Code.FAILED_PRECONDITION, message, [packAny('google.rpc.PreconditionFailure', value)])
}

/**
 * What the storage says about a blob that it lacks, for example that it was recently evicted; undefined when it has the
 * blob by now, or cannot say.
 */
export async function reasonAbsent(cas: CasClient, digest: Digest): Promise<string | undefined> {
  try {
    for await (const _piece of cas.readStream(digest)) break
    return undefined
  } catch (error) {
    // Any other storage failure is not what the client is being told about.
    const { cause } = error instanceof Failure ? error : {}
    return cause instanceof RpcError && cause.code === Code.NOT_FOUND ? cause.message : undefined
  }
}

/**
 * Can the error end a call as its gRPC status? Its details travel in the trailers, which clients limit; larger ones
 * have to travel inside an ExecuteResponse.
 */
export function fitsTrailers(error: RpcError): boolean {
  const bytes = error.details.reduce((sum, { value }) => sum + value.byteLength, 0)
  return bytes <= trailerDetailBytesMax
}
