import { Code, type Detail, RpcError } from '../wire/rpc.ts'

/**
 * Went wrong outside of this server: at the origin, on the way there, or with what came from it. It is told in
 * the answer's `status`, where the server's own errors are the call's.
 */
export class AtOrigin extends RpcError {
  constructor(code: Code, message: string, cause?: unknown, details: readonly Detail[] = []) {
    super(code, message, details, cause)
    this.name = 'AtOrigin'
  }
}

/** The content has other bytes than were asked for. */
export function inconsistent(message: string, cause?: unknown): AtOrigin {
  return new AtOrigin(Code.ABORTED, message, cause)
}
