import { expect, test } from 'vitest'
import { batchBytesMax, messageBytesMax } from '../../src/core/limits.ts'
import { re } from '../../src/wire/proto.ts'
import { Code } from '../../src/wire/rpc.ts'
import { seededBlob } from '../fixture/blob.ts'
import { createWorld, type World, wire } from './world.ts'

const api = 'build.bazel.remote.execution.v2'

async function capabilitiesOf({ channel }: World): Promise<re.ServerCapabilities> {
  const request = re.GetCapabilitiesRequest.encode({ instanceName: 'main' }).finish()
  return re.ServerCapabilities.decode(await channel.unary(`${api}.Capabilities/GetCapabilities`, request))
}

/**
 * remote_execution/oss/re_grpc/src/client.rs (2026-08): it asks only its engine_address, and reads there what the cache can
 * do. Digest functions come from the cache, or else from the execution service; a batch limit of 0 would be none, and is
 * 4,000,000 bytes then; of the compressors it takes zstd first.
 */
test('Buck2 finds at the scheduler what it looks for of the cache', async () => {
  const { cacheCapabilities, executionCapabilities } = await capabilitiesOf(createWorld())
  const { SHA256, SHA1, BLAKE3 } = re.DigestFunction.Value
  for (const functions of [cacheCapabilities?.digestFunctions, executionCapabilities?.digestFunctions])
    expect(functions).toEqual(expect.arrayContaining([SHA256, SHA1, BLAKE3]))
  expect(cacheCapabilities?.maxBatchTotalSizeBytes).toBe(batchBytesMax)
  expect(cacheCapabilities?.supportedCompressors).toContain(re.Compressor.Value.ZSTD)
  expect(cacheCapabilities?.actionCacheUpdateCapabilities?.updateEnabled).toBe(true)
  expect(executionCapabilities?.execEnabled).toBe(true)
})

/**
 * src/rust/remote_provider/remote_provider_reapi/src/byte_store.rs (2026-08): a blob of less than max_batch_total_size_bytes, and of no
 * more than its own limit of 4 MiB, goes as a batch of one; larger ones by ByteStream. Buck2 reads what it wrote in
 * batches of up to the limit, and takes messages of twice that.
 */
test('the largest batch that Pants and Buck2 send is taken, and is read in one', async () => {
  const { channel } = createWorld()
  const { digest, bytes } = seededBlob(1, batchBytesMax - 1)
  const update = re.BatchUpdateBlobsRequest.encode({
    instanceName: 'main',
    requests: [{ digest: wire(digest), data: bytes }],
  }).finish()
  const storage = `${api}.ContentAddressableStorage`
  const stored = re.BatchUpdateBlobsResponse.decode(await channel.unary(`${storage}/BatchUpdateBlobs`, update))
  expect(stored.responses.map(({ status }) => status?.code ?? Code.OK)).toEqual([Code.OK])
  const read = re.BatchReadBlobsRequest.encode({ instanceName: 'main', digests: [wire(digest)] }).finish()
  const answer = await channel.unary(`${storage}/BatchReadBlobs`, read)
  expect(answer.length).toBeLessThanOrEqual(messageBytesMax)
  const [got] = re.BatchReadBlobsResponse.decode(answer).responses
  expect(Buffer.from(got?.data ?? []).equals(bytes)).toBe(true)
})
