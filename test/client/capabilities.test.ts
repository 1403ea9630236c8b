import { expect, test } from 'vitest'
import { negotiate } from '../../src/client/capabilities.ts'
import { batchBytesMax } from '../../src/core/limits.ts'
import { re } from '../../src/wire/proto.ts'
import { memoryChannel } from '../fixture/memory-channel.ts'
import { openRemote } from './remote.ts'

function server(capabilities: re.ServerCapabilities.$Properties) {
  const bytes = re.ServerCapabilities.encode(capabilities).finish()
  return memoryChannel([
    {
      name: 'build.bazel.remote.execution.v2.Capabilities',
      methods: { GetCapabilities: { kind: 'unary', handle: () => bytes } },
    },
  ])
}

test('our own cache is understood', async () => {
  const facts = await negotiate(openRemote().channel)
  expect(facts).toMatchObject({ fn: 'sha256', cache: true, zstd: true, updateEnabled: true })
  expect(facts.batchBytes).toBeGreaterThan(1024 * 1024)
})

test('rule 13: a batch limit of 0 means none, and ours counts', async () => {
  const channel = server({ cacheCapabilities: { digestFunctions: [1] } })
  expect((await negotiate(channel)).batchBytes).toBe(batchBytesMax)
  const small = server({ cacheCapabilities: { digestFunctions: [1], maxBatchTotalSizeBytes: 1000 } })
  expect((await negotiate(small)).batchBytes).toBe(1000)
})

test('a server without a function of ours, or another API version, is refused in words', async () => {
  await expect(negotiate(server({ cacheCapabilities: { digestFunctions: [3] } }))).rejects.toMatchObject({
    kind: 'unimplemented',
  })
  const later = {
    lowApiVersion: { major: 3 },
    highApiVersion: { major: 4 },
    cacheCapabilities: { digestFunctions: [1] },
  }
  await expect(negotiate(server(later))).rejects.toMatchObject({ message: expect.stringContaining('3.0 to 4.0') })
})

test('the wanted function is taken where the server has it', async () => {
  const channel = server({ cacheCapabilities: { digestFunctions: [1, 6] } })
  expect((await negotiate(channel, { fn: 'sha512' })).fn).toBe('sha512')
  await expect(negotiate(channel, { fn: 'sha1' })).rejects.toMatchObject({ kind: 'unimplemented' })
})
