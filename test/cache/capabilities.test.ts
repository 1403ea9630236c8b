import { expect, test } from 'vitest'
import { digestFunctions } from '../../src/core/digest.ts'
import { computableFunctions } from '../../src/core/hash.ts'
import { batchBytesMax, messageBytesMax } from '../../src/core/limits.ts'
import { re } from '../../src/wire/proto.ts'
import { call, codeOf, openCache, type TestCache } from './fixture.ts'

const method = 'build.bazel.remote.execution.v2.Capabilities/GetCapabilities'

function ask({ channel }: TestCache, instanceName = ''): Promise<re.ServerCapabilities> {
  return call(channel, method, re.GetCapabilitiesRequest, { instanceName }, re.ServerCapabilities)
}

test('versions 2.0 to 2.12', async () => {
  const { lowApiVersion, highApiVersion } = await ask(openCache())
  expect([lowApiVersion?.major, lowApiVersion?.minor ?? 0]).toEqual([2, 0])
  expect([highApiVersion?.major, highApiVersion?.minor]).toEqual([2, 12])
})

test('rule 13: the batch limit is a real one, just under a message', async () => {
  const { cacheCapabilities } = await ask(openCache())
  expect(cacheCapabilities?.maxBatchTotalSizeBytes).toBe(batchBytesMax)
  expect(batchBytesMax).toBeLessThan(messageBytesMax)
})

test('rule 43: a cache speaks of what a cache offers, and of nothing else', async () => {
  const { cacheCapabilities, executionCapabilities } = await ask(openCache({ blobSizeMax: 1234 }))
  expect(executionCapabilities ?? undefined).toBeUndefined()
  expect(cacheCapabilities?.digestFunctions).toEqual(computableFunctions.map((fn) => digestFunctions[fn].value))
  expect(cacheCapabilities?.supportedCompressors).toEqual([re.Compressor.Value.ZSTD])
  expect(cacheCapabilities?.supportedBatchUpdateCompressors).toEqual([re.Compressor.Value.ZSTD])
  expect(cacheCapabilities?.symlinkAbsolutePathStrategy).toBe(re.SymlinkAbsolutePathStrategy.Value.ALLOWED)
  expect([cacheCapabilities?.splitBlobSupport, cacheCapabilities?.spliceBlobSupport]).toEqual([true, true])
  expect(cacheCapabilities?.fastCdc_2020Params).toMatchObject({ avgChunkSizeBytes: 512 * 1024, seed: 0 })
  expect(cacheCapabilities?.repMaxCdcParams).toMatchObject({
    minChunkSizeBytes: 256 * 1024,
    horizonSizeBytes: 2 * 1024 * 1024,
  })
  expect(cacheCapabilities?.maxCasBlobSizeBytes).toBe(1234)
  expect(cacheCapabilities?.cachePriorityCapabilities ?? undefined).toBeUndefined()
})

test.each([true, false])('rule 22: update_enabled is %s as configured', async (updateEnabled) => {
  const { cacheCapabilities } = await ask(openCache({ updateEnabled }))
  expect(cacheCapabilities?.actionCacheUpdateCapabilities?.updateEnabled ?? false).toBe(updateEnabled)
})

test('rule 34: an instance that is not there is INVALID_ARGUMENT', async () => {
  expect(await codeOf(ask(openCache(), 'moon-outputs'))).toBe('INVALID_ARGUMENT')
  await ask(openCache(), 'main')
})
