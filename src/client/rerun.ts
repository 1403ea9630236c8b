import { type Digest, digestText } from '../core/digest.ts'
import { Failure } from '../core/failure.ts'
import { digestOf } from '../core/hash.ts'
import { notOn } from '../wire/elsewhere.ts'
import { re } from '../wire/proto.ts'
import type { Channel, RpcError } from '../wire/rpc.ts'
import type { CasClient } from './cas.ts'
import type { ClientOptions } from './context.ts'
import { execute } from './execute.ts'

/** The result of running an action again. */
export interface Rerun {
  readonly result: re.ActionResult.$Properties
  /** A status other than OK. */
  readonly error: RpcError | undefined
}

export interface RerunOptions {
  readonly client: ClientOptions
  /** A worker to avoid as long as another may come free. */
  readonly notOn?: string
  readonly signal: AbortSignal
}

/** Builds go first: a higher priority runs later. */
const priority = 1_000

/**
 * Runs an action once more, whatever is cached, without changing the cache: skip_cache_lookup alone would replace the
 * result that builds have used (proto, ExecuteRequest). A copy with do_not_cache has another digest, runs the same
 * command on the same inputs, and is neither stored nor merged with another run of its own.
 * @param cas the storage that the scheduler reads
 * @throws Failure 'not-found' without the Action; RpcError when the server refuses it (FAILED_PRECONDITION for
 *   missing inputs) or cannot be reached, or the signal aborts
 */
export async function rerun(cas: CasClient, scheduler: Channel, digest: Digest, options: RerunOptions): Promise<Rerun> {
  const action = decoded(digest, await cas.readBlob(digest, options.signal))
  return runUncached(cas, scheduler, action, [], options)
}

/**
 * Runs an action at a lower priority than builds, without storing its result.
 * @param blobs of it that the CAS may lack, such as its Command
 * @throws RpcError as for rerun
 */
export async function runUncached(
  cas: CasClient,
  scheduler: Channel,
  action: re.Action.$Properties,
  blobs: readonly Uint8Array[],
  { client, notOn: avoided = '', signal }: RerunOptions,
): Promise<Rerun> {
  const content = re.Action.encode({ ...action, doNotCache: true }).finish()
  const sources = [...blobs, content].map((each) => ({ digest: digestOf(cas.fn, each), content: each }))
  await cas.upload(sources, signal)
  const { result, error } = await execute(
    scheduler,
    { action: digestOf(cas.fn, content), skipCacheLookup: true, priority, signal },
    { ...client, fn: cas.fn, metadata: { ...client.metadata, ...notOn(avoided) } },
  )
  return { result, error }
}

function decoded(digest: Digest, bytes: Uint8Array): re.Action {
  try {
    return re.Action.decode(bytes)
  } catch (cause) {
    throw new Failure('invalid', 'the blob is not an Action', { where: digestText(digest), cause })
  }
}
