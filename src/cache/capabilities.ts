import { digestFunctions } from '../core/digest.ts'
import { computableFunctions } from '../core/hash.ts'
import { assertInstance } from '../core/instance.ts'
import { batchBytesMax } from '../core/limits.ts'
import { decodeMessage } from '../wire/decode.ts'
import { re } from '../wire/proto.ts'
import type { Method } from '../wire/rpc.ts'
import type { CacheContext } from './context.ts'

/**
 * What the cache says of itself. Absolute symlinks are ALLOWED, as bazel-remote has it: a
 * cache stores what it is given, and the worker restores them as they are; refusing them
 * would fail builds whose outputs point into the system. Cache priorities are not offered.
 */
function cacheCapabilities(
  context: Pick<CacheContext, 'updateEnabled' | 'blobSizeMax' | 'blobs'>,
): re.CacheCapabilities.$Properties {
  const { fastCdc, repMaxCdc } = context.blobs.chunking
  return {
    digestFunctions: computableFunctions.map((fn) => digestFunctions[fn].value),
    actionCacheUpdateCapabilities: { updateEnabled: context.updateEnabled },
    // Rule 13: 0 would mean no limit, which some clients take by its word.
    maxBatchTotalSizeBytes: batchBytesMax,
    maxCasBlobSizeBytes: context.blobSizeMax,
    symlinkAbsolutePathStrategy: re.SymlinkAbsolutePathStrategy.Value.ALLOWED,
    supportedCompressors: [re.Compressor.Value.ZSTD],
    supportedBatchUpdateCompressors: [re.Compressor.Value.ZSTD],
    splitBlobSupport: true,
    spliceBlobSupport: true,
    fastCdc_2020Params: { avgChunkSizeBytes: fastCdc.averageBytes, seed: fastCdc.seed },
    repMaxCdcParams: { minChunkSizeBytes: repMaxCdc.minBytes, horizonSizeBytes: repMaxCdc.horizonBytes },
  }
}

/** Capabilities.GetCapabilities of a server that is a cache only (rule 43: no execution part). */
export function getCapabilities(context: CacheContext): Method {
  const answer = re.ServerCapabilities.encode({
    cacheCapabilities: cacheCapabilities(context),
    lowApiVersion: { major: 2, minor: 0 },
    highApiVersion: { major: 2, minor: 12 },
  }).finish()
  return {
    kind: 'unary',
    handle(bytes) {
      const request = decodeMessage(re.GetCapabilitiesRequest, bytes)
      assertInstance(request.instanceName, context.instances)
      return answer
    },
  }
}
