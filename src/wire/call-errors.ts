import { Code, RpcError, Stalled } from './rpc.ts'

/** Shared by all calls: creating an error with its stack takes longer than most calls. */
export const callEnded = new RpcError(Code.CANCELLED, 'the call has ended')

/** The reason of a call's signal when the client may come back for the answer. */
export const connectionBroke = new RpcError(Code.UNAVAILABLE, "the client's connection broke")

/** The end of a call whose answer is not read. */
export function clientStalled(): Stalled {
  return new Stalled(
    'the client read nothing of the answer while others needed the memory; continue from where it stopped',
  )
}
