import { Code, type Detail, RpcError } from '../wire/rpc.ts'

/**
 * A failure outside of this server: at the origin, on the way there, or in what came from it. It is reported in the
 * response's `status`, while the server's own errors fail the call.
 */
export class AtOrigin extends RpcError {
  constructor(code: Code, message: string, cause?: unknown, details: readonly Detail[] = []) {
    super(code, message, details, cause)
    this.name = 'AtOrigin'
  }
}

/** The content does not have the expected bytes. */
export function inconsistent(message: string, cause?: unknown): AtOrigin {
  return new AtOrigin(Code.ABORTED, message, cause)
}
