import { negotiate } from '../../../client/capabilities.ts'
import { hostPortText, isLoopback, parseGrpcUrl } from '../../../core/address.ts'
import { Failure, messageOf } from '../../../core/failure.ts'
import { workerApi } from '../../../wire/proto.ts'
import { Code, RpcError } from '../../../wire/rpc.ts'
import { toFailure } from '../../../wire/status.ts'
import { isUntrusted } from '../../../wire/tls/handshake-errors.ts'
import { assertSpeaks, workerProtocol } from '../../../wire/worker-protocol.ts'
import type { Exchange } from './files.ts'
import { type Caller, givenUp, openAsCaller, redeemed } from './redeem.ts'

const method = 'native.worker.v1.Workers/Introduce'
/** Allows for a slow link, and for the delay that a server adds after wrong tokens. */
const answerMsMax = 15_000
/** A firewall that drops packets answers nothing: the next place is then tried. */
const cacheMsMax = 5_000

/** How a machine that wants to join calls the servers of a cluster. */
export interface Asker extends Caller {
  /** The asking release. */
  readonly version: string
  /** The exchange of the token, if that is an invitation. */
  readonly exchange?: Exchange | undefined
}

/** What the machine has learnt. */
export interface Met {
  /** `grpcs://host:port` of the cache, or of the scheduler, which forwards calls to it. */
  readonly cas: string
  /** The release of the scheduler. */
  readonly version: string
  /** The token to use from now on: the caller's, or the one that its invitation was exchanged for. */
  readonly token: string
}

/**
 * Asks the scheduler whether it accepts this machine, and finds the way to its cache.
 * @throws Failure 'denied' for a token that is not valid, 'precondition' for a release that speaks another protocol,
 *   'unavailable' when nobody answers
 */
export async function meetScheduler(caller: Asker, signal: AbortSignal): Promise<Met> {
  const { cas, ...scheduler } = await introduced(caller, signal)
  assertSpeaksHere(scheduler, caller)
  // The last thing that may be refused, since an invitation can be exchanged only once.
  const { exchange } = caller
  const own = exchange ? { ...caller, token: await redeemed(caller, exchange, signal) } : caller
  try {
    return { cas: await cacheFor(cas, own, signal), version: scheduler.version, token: own.token }
  } catch (error) {
    if (exchange) await givenUp(own, exchange)
    throw error
  }
}

/** @throws the scheduler's reason for not forwarding calls to the cache, when the cache answers nowhere */
async function cacheFor(told: string, caller: Asker, signal: AbortSignal): Promise<string> {
  for (const url of placesOf(told, caller.url)) if ((await tried(url, caller, signal)) === undefined) return url
  const failed = await tried(caller.url, caller, signal)
  if (failed === undefined) return caller.url
  throw toFailure(failed, caller.url)
}

async function introduced(
  caller: Asker,
  signal: AbortSignal,
): Promise<{ cas: string; version: string; protocol: number }> {
  const channel = await openAsCaller(caller.url, caller)
  try {
    const request = workerApi.IntroduceRequest.encode({ version: caller.version, protocol: workerProtocol }).finish()
    const reply = await channel.unary(method, request, { timeoutMs: answerMsMax, signal })
    const { cas, version, protocol } = workerApi.Introduction.decode(reply)
    return { cas: cas ?? '', version: version ?? '', protocol: protocol ?? 0 }
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof RpcError && error.code === Code.UNIMPLEMENTED)
      throw new Failure('unimplemented', 'the server at that address does not accept workers from other machines', {
        where: caller.url,
        next: [
          'Check that this is the address of the scheduler, and that its cluster runs this release. `native invite` prints the address.',
        ],
        cause: error,
      })
    const failure = toFailure(error, caller.url)
    if (!isUntrusted(error)) throw failure
    throw new Failure(failure.kind, failure.message, {
      where: caller.url,
      next: ['Add the --ca sha256:... of the line that `native invite` printed: it says which authority to trust.'],
      cause: error,
    })
  } finally {
    channel.close()
  }
}

function assertSpeaksHere({ version, protocol }: { version: string; protocol: number }, caller: Asker): void {
  try {
    assertSpeaks({ what: 'the scheduler', version, protocol }, { what: 'this machine', version: caller.version })
  } catch (error) {
    throw toFailure(error, caller.url)
  }
}

/**
 * Where the cache may be: on the scheduler's own machine, as addressed from here, at the port that it named; or at the
 * address that it named, if that is elsewhere.
 */
function placesOf(told: string, scheduler: string): string[] {
  if (told === '') return []
  const [cache, own] = [parseGrpcUrl(told), parseGrpcUrl(scheduler)]
  if (!('host' in cache && 'host' in own)) return []
  const scheme = cache.secure ? 'grpcs' : 'grpc'
  const beside = `${scheme}://${hostPortText({ host: own.host, port: cache.port })}`
  // A token is never sent where anybody on the way could read it.
  const places = isLoopback(cache.host) ? [beside] : [beside, told]
  return own.secure && !cache.secure ? [] : [...new Set(places)]
}

/** Why the cache cannot be reached there; undefined when it answers. */
async function tried(url: string, caller: Asker, signal: AbortSignal): Promise<Error | undefined> {
  const channel = await openAsCaller(url, caller)
  try {
    await negotiate(channel, { timeoutMs: cacheMsMax, signal })
    return undefined
  } catch (error) {
    signal.throwIfAborted()
    return error instanceof Error ? error : new Failure('internal', messageOf(error))
  } finally {
    channel.close()
  }
}
