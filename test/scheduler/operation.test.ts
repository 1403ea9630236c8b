import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Failure } from '../../src/core/failure.ts'
import { digestOf } from '../../src/core/hash.ts'
import { createOperation, type Stage } from '../../src/scheduler/operation.ts'
import { re } from '../../src/wire/proto.ts'
import { seen } from './world.ts'

const digest = digestOf('sha256', Buffer.from('action'))
const response = re.ExecuteResponse.encode({ message: 'done' }).finish()
const moves: readonly Stage[] = ['cache-check', 'queued', 'executing', 'completed']
const legal = new Set([
  'cache-check>queued',
  'cache-check>completed',
  'queued>executing',
  'queued>completed',
  'executing>queued',
  'executing>completed',
])

test('rule 27: COMPLETED if and only if done, whatever happens to an operation; nothing happens after it', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...moves), { maxLength: 12 }), (path) => {
      const operation = createOperation('operations/1', digest)
      for (const to of path) {
        const from = operation.stage
        const allowed = legal.has(`${from}>${to}`) || (from === to && from !== 'completed')
        const act = () => (to === 'completed' ? operation.complete(response) : operation.move(to, {}))
        if (allowed) act()
        else expect(act).toThrow(Failure)
        const now = seen(operation.encode())
        expect(now.done).toBe(now.metadata.stage === 4)
        expect(now.done).toBe(now.response !== undefined)
      }
    }),
  )
})

test('rule 24: Operation.error is never set, and the failure stands in the response', () => {
  const operation = createOperation('operations/1', digest)
  operation.complete(re.ExecuteResponse.encode({ status: { code: 9, message: 'no' } }).finish())
  const { raw, response: answer } = seen(operation.encode())
  expect(raw.error ?? null).toBeNull()
  expect(answer?.status?.code).toBe(9)
})

test('rule 29: metadata and response are Any messages of their exact types', () => {
  const operation = createOperation('operations/1', digest)
  operation.move('queued', { queuedAt: 1_500 })
  operation.complete(response)
  const { raw, metadata } = seen(operation.encode())
  expect(raw.metadata?.type_url).toBe('type.googleapis.com/build.bazel.remote.execution.v2.ExecuteOperationMetadata')
  expect(raw.response?.type_url).toBe('type.googleapis.com/build.bazel.remote.execution.v2.ExecuteResponse')
  expect(metadata.actionDigest?.hash).toBe(digest.hash)
  expect(metadata.digestFunction).toBe(1)
})

test('rule 29: the stage may go back to QUEUED', () => {
  const operation = createOperation('operations/1', digest)
  operation.move('queued', {})
  operation.move('executing', { worker: 'w1' })
  operation.move('queued', {})
  expect(seen(operation.encode()).metadata.stage).toBe(2)
})
