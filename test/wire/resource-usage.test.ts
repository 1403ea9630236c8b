import { expect, test } from 'vitest'
import { packAny } from '../../src/wire/any.ts'
import { re, workerApi } from '../../src/wire/proto.ts'
import { packUsage, type ResourceUsage, usageIn } from '../../src/wire/resource-usage.ts'
import type { Detail } from '../../src/wire/rpc.ts'

/** What is read from a result with this, after its way over the network. */
function told(auxiliaryMetadata: readonly Detail[]): ResourceUsage {
  const result = { executionMetadata: { auxiliaryMetadata: [...auxiliaryMetadata] } }
  return usageIn(re.ActionResult.decode(re.ActionResult.encode(result).finish()))
}

const typeName = 'native.worker.v1.ResourceUsage'

test.each([
  { userMs: 1230, systemMs: 0, peakMemoryBytes: 5 * 2 ** 30 },
  { userMs: 0, systemMs: 10 },
  { peakMemoryBytes: 1 },
])('what is measured is told: $userMs, $systemMs, $peakMemoryBytes', (usage) => {
  expect(told(packUsage(usage))).toEqual(usage)
})

test('of what is not measured nothing is said', () => {
  expect(packUsage({})).toEqual([])
  expect(usageIn({})).toEqual({})
})

test('what others say there is left to others', () => {
  const other = packAny('buildbarn.resourceusage.POSIXResourceUsage', Buffer.from([8, 1]))
  expect(told([other])).toEqual({})
  expect(told([other, ...packUsage({ userMs: 10, systemMs: 0 })])).toEqual({ userMs: 10, systemMs: 0 })
})

test('what cannot be true is not believed', () => {
  const encoded = (message: workerApi.ResourceUsage.$Properties) => workerApi.ResourceUsage.encode(message).finish()
  for (const value of [
    Buffer.from('no message'),
    encoded({ userTime: { seconds: -1 } }),
    encoded({ systemTime: { nanos: 2e9 } }),
    encoded({ userTime: { seconds: 1 }, peakMemoryBytes: -5 }),
  ])
    expect(told([packAny(typeName, value)])).toEqual({})
})
