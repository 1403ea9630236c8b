import { type Digest, digestFromWire, digestFunctions } from '../core/digest.ts'
import { Failure } from '../core/failure.ts'
import { decodeMessage } from '../wire/decode.ts'
import { re } from '../wire/proto.ts'

/** What the result itself should contain inline, if it is small enough. */
interface Inline {
  readonly stdout: boolean
  readonly stderr: boolean
  readonly outputFiles: readonly string[]
}

/** An ExecuteRequest, checked. */
export interface ExecuteRequest {
  readonly instance: string
  readonly digest: Digest
  readonly skipCacheLookup: boolean
  /** Lower is sooner. */
  readonly priority: number
  readonly inline: Inline
  /** The worker to avoid; empty if there is none. */
  readonly notOn: string
}

/** The most paths that clients may ask to have inlined. */
export const inlineFilesMax = 1000

/**
 * Reads an ExecuteRequest.
 * @param notOn the worker that its call asks to avoid
 * @throws RpcError or Failure that mean INVALID_ARGUMENT
 */
export function readExecuteRequest(bytes: Uint8Array, notOn: string): ExecuteRequest {
  const request = decodeMessage(re.ExecuteRequest, bytes)
  const outputFiles = request.inlineOutputFiles ?? []
  if (outputFiles.length > inlineFilesMax)
    throw new Failure('invalid', `inline_output_files: at most ${inlineFilesMax} paths may be named`)
  return {
    instance: request.instanceName ?? '',
    digest: digestFromWire(request.actionDigest, request.digestFunction ?? 0, 'action_digest'),
    skipCacheLookup: request.skipCacheLookup ?? false,
    priority: request.executionPolicy?.priority ?? 0,
    inline: { stdout: request.inlineStdout ?? false, stderr: request.inlineStderr ?? false, outputFiles },
    notOn,
  }
}

/** The digest of a message that an Action or a Command refers to, with the action's own digest function. */
export function digestIn(
  wire: { hash?: string | null; sizeBytes?: number | null } | null | undefined,
  action: Digest,
  field: string,
): Digest {
  return digestFromWire(wire, digestFunctions[action.fn].value, field)
}
