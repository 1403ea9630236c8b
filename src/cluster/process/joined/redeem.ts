import { openDirectChannel } from '../../../wire/direct.ts'
import { workerApi } from '../../../wire/proto.ts'
import type { Channel } from '../../../wire/rpc.ts'
import { toFailure } from '../../../wire/status.ts'
import { openCalled } from '../../../wire/tls/called.ts'
import type { ClientTlsFiles } from '../../../wire/tls/client-tls.ts'
import type { Exchange } from './files.ts'

const service = 'native.worker.v1.Workers'
/** Allows for a slow link, and for the delay that a server adds after wrong tokens. */
const answerMsMax = 15_000
/** Leaving does not wait longer for a scheduler that is away. */
const retireMsMax = 5_000

/** How a machine that wants to join, or has, calls the servers of a cluster. */
export interface Caller {
  /** `grpcs://host:port` of the scheduler. */
  readonly url: string
  /** A token, or an invitation. */
  readonly token: string
  readonly tls: ClientTlsFiles | undefined
}

export function openAsCaller(url: string, { token, tls }: Omit<Caller, 'url'>): Promise<Channel> {
  return openCalled({ url, tls }, openDirectChannel, () => `Bearer ${token}`)
}

/**
 * Exchanges an invitation for a token of this machine's own: it is created here, and the scheduler gets its hash.
 * @throws Failure 'denied' for an invitation that was used or has expired
 */
export async function redeemed(caller: Caller, exchange: Exchange, signal: AbortSignal): Promise<string> {
  const { text, id, hash } = await exchange.token()
  const request = workerApi.RedeemRequest.encode({ id, hash }).finish()
  const channel = await openAsCaller(caller.url, caller)
  try {
    await channel.unary(`${service}/Redeem`, request, { timeoutMs: answerMsMax, signal })
    return text
  } catch (error) {
    signal.throwIfAborted()
    const failure = toFailure(error, caller.url)
    if (failure.kind === 'denied') await exchange.forget()
    throw failure
  } finally {
    channel.close()
  }
}

/**
 * Gives back the token that an invitation was exchanged for, when the machine does not join after all. A scheduler that
 * cannot be told accepts the invitation again only with the same token, which is kept for that.
 * @param caller with that token
 */
export async function givenUp(caller: Caller, exchange: Exchange): Promise<void> {
  if (await retired(caller).catch(() => false)) await exchange.forget()
}

/**
 * Gives back a token that an invitation was exchanged for.
 * @returns false for any other token, which stays valid
 * @throws Failure from the scheduler or the connection to it
 */
export async function retired(caller: Caller): Promise<boolean> {
  const channel = await openAsCaller(caller.url, caller)
  try {
    const request = workerApi.RetireRequest.encode({}).finish()
    const reply = await channel.unary(`${service}/Retire`, request, { timeoutMs: retireMsMax })
    return workerApi.Retired.decode(reply).retired ?? false
  } catch (error) {
    throw toFailure(error, caller.url)
  } finally {
    channel.close()
  }
}
