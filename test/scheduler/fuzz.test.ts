import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Channel } from '../../src/wire/rpc.ts'
import { Code, RpcError } from '../../src/wire/rpc.ts'
import { openWorker } from './worker.ts'
import { createWorld } from './world.ts'

const unary = [
  'build.bazel.remote.execution.v2.Capabilities/GetCapabilities',
  'google.longrunning.Operations/GetOperation',
  'google.longrunning.Operations/ListOperations',
  'google.longrunning.Operations/CancelOperation',
  'google.longrunning.Operations/DeleteOperation',
  'google.longrunning.Operations/WaitOperation',
  'native.worker.v1.Status/GetStatus',
]
const streams = [
  'build.bazel.remote.execution.v2.Execution/Execute',
  'build.bazel.remote.execution.v2.Execution/WaitExecution',
  'google.bytestream.ByteStream/Read',
]

/** The code that a call ends with. */
async function codeOf(call: Promise<unknown>): Promise<Code> {
  try {
    await call
    return Code.OK
  } catch (error) {
    if (error instanceof RpcError) return error.code
    throw error
  }
}

async function drained(channel: Channel, method: string, bytes: Uint8Array): Promise<void> {
  for await (const message of channel.serverStream(method, bytes)) expect(message.length).toBeGreaterThan(0)
}

const ours: ReadonlySet<Code> = new Set([Code.INTERNAL, Code.UNKNOWN])

test('no request of random bytes is taken for a bug of ours', async () => {
  const { channel } = createWorld()
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 64 }), async (bytes) => {
      for (const method of unary) expect(ours.has(await codeOf(channel.unary(method, bytes)))).toBe(false)
      for (const method of streams) expect(ours.has(await codeOf(drained(channel, method, bytes)))).toBe(false)
    }),
    { numRuns: 100 },
  )
})

test('a worker that sends random bytes is sent away with INVALID_ARGUMENT', async () => {
  const { channel, scheduler } = createWorld()
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 64 }), async (bytes) => {
      const worker = openWorker(channel)
      worker.sayBytes(bytes)
      expect(await codeOf(worker.hear())).toBe(Code.INVALID_ARGUMENT)
    }),
    { numRuns: 100 },
  )
  expect(scheduler.snapshot().workers).toEqual([])
})
