import { type DigestFunction, digestFunctions } from '../core/digest.ts'
import { Failure } from '../core/failure.ts'
import { computableFunctions } from '../core/hash.ts'
import { batchBytesMax } from '../core/limits.ts'
import { re } from '../wire/proto.ts'
import { type Channel, Code, RpcError } from '../wire/rpc.ts'

const method = 'build.bazel.remote.execution.v2.Capabilities/GetCapabilities'
const zstdCompressor = 1
const ourMajor = 2

/** What a server supports, as far as this client uses it. */
export interface ServerFacts {
  /** The first of our functions that the server supports too. */
  readonly fn: DigestFunction
  readonly digestFunctions: readonly DigestFunction[]
  /** Maximum bytes of blobs in a batch: the server's limit or ours, whichever is lower. */
  readonly batchBytes: number
  /** It supports zstd in byte streams. */
  readonly zstd: boolean
  /** It has a content addressable storage and an action cache. */
  readonly cache: boolean
  readonly updateEnabled: boolean
  /** It executes actions. */
  readonly execution: boolean
}

export interface NegotiateOptions {
  readonly instance?: string
  /** Used instead of our own order of preference. */
  readonly fn?: DigestFunction
  /** Default: 10 s. */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

/**
 * Asks a server for its capabilities, in exactly one call, so that this can serve as a readiness check.
 * @throws RpcError of the call; Failure 'unimplemented' when server and client have no API version or digest function
 *   in common
 */
export async function negotiate(channel: Channel, options: NegotiateOptions = {}): Promise<ServerFacts> {
  const request = re.GetCapabilitiesRequest.encode({ instanceName: options.instance ?? '' }).finish()
  const answer = await channel.unary(method, request, {
    timeoutMs: options.timeoutMs ?? 10_000,
    ...(options.signal && { signal: options.signal }),
  })
  return factsOf(decoded(answer), options.fn)
}

function decoded(answer: Buffer): re.ServerCapabilities {
  try {
    return re.ServerCapabilities.decode(answer)
  } catch (cause) {
    throw new RpcError(Code.INTERNAL, 'the answer to GetCapabilities cannot be decoded', [], cause)
  }
}

function factsOf(all: re.ServerCapabilities, wanted: DigestFunction | undefined): ServerFacts {
  assertVersion(all)
  const cache = all.cacheCapabilities
  const execution = all.executionCapabilities
  const offered = offeredFunctions(cache, execution)
  const batch = cache?.maxBatchTotalSizeBytes ?? 0
  return {
    fn: chosenFunction(offered, wanted),
    digestFunctions: offered,
    // 0 means that the server sets no limit (rule 13).
    batchBytes: Number.isSafeInteger(batch) && batch > 0 ? Math.min(batch, batchBytesMax) : batchBytesMax,
    zstd: (cache?.supportedCompressors ?? []).includes(zstdCompressor),
    cache: cache != null,
    updateEnabled: cache?.actionCacheUpdateCapabilities?.updateEnabled ?? false,
    execution: execution?.execEnabled ?? false,
  }
}

function assertVersion(all: re.ServerCapabilities): void {
  const low = all.lowApiVersion?.major ?? ourMajor
  const high = all.highApiVersion?.major ?? ourMajor
  if (low <= ourMajor && ourMajor <= high) return
  throw new Failure(
    'unimplemented',
    `the server speaks API versions ${versionText(all.lowApiVersion)} to ${versionText(all.highApiVersion)}, this client 2`,
  )
}

function offeredFunctions(
  cache: re.CacheCapabilities.$Properties | null | undefined,
  execution: re.ExecutionCapabilities.$Properties | null | undefined,
): DigestFunction[] {
  const named = [...(cache?.digestFunctions ?? []), ...(execution?.digestFunctions ?? [])]
  if (execution?.digestFunction) named.push(execution.digestFunction)
  const values = new Set<number>(named)
  return (Object.keys(digestFunctions) as DigestFunction[]).filter((fn) => values.has(digestFunctions[fn].value))
}

function chosenFunction(offered: readonly DigestFunction[], wanted: DigestFunction | undefined): DigestFunction {
  const fn = wanted
    ? offered.find((each) => each === wanted)
    : computableFunctions.find((each) => offered.includes(each))
  if (fn) return fn
  const list = offered.length > 0 ? offered.join(', ') : 'none that this client knows'
  throw new Failure(
    'unimplemented',
    `the server's digest functions (${list}) and those of this client have none in common`,
  )
}

function versionText(version: { major?: number | null; minor?: number | null } | null | undefined): string {
  return version ? `${version.major ?? 0}.${version.minor ?? 0}` : ''
}
