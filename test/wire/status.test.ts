import { describe, expect, test } from 'vitest'
import type { Digest } from '../../src/core/digest.ts'
import { Failure } from '../../src/core/failure.ts'
import { packAny, unpackAny } from '../../src/wire/any.ts'
import { rpc } from '../../src/wire/proto.ts'
import { Code, RpcError } from '../../src/wire/rpc.ts'
import {
  errorOfStatus,
  isBug,
  missingBlobs,
  retryLater,
  statusBytes,
  statusMessage,
  toFailure,
  toRpcError,
} from '../../src/wire/status.ts'

const digests: Digest[] = Array.from({ length: 1000 }, (_, at) => ({
  fn: 'sha256',
  hash: at.toString(16).padStart(64, '0'),
  size: at,
}))

function violationsOf(error: RpcError): rpc.PreconditionFailure.Violation.$Properties[] {
  const value = unpackAny(error.details[0], 'google.rpc.PreconditionFailure')
  return rpc.PreconditionFailure.decode(value ?? Buffer.alloc(0)).violations
}

describe('what was thrown becomes a status', () => {
  test.each([
    ['invalid', Code.INVALID_ARGUMENT],
    ['not-found', Code.NOT_FOUND],
    ['precondition', Code.FAILED_PRECONDITION],
    ['exhausted', Code.RESOURCE_EXHAUSTED],
    ['unavailable', Code.UNAVAILABLE],
    ['out-of-range', Code.OUT_OF_RANGE],
    ['corrupt', Code.DATA_LOSS],
    ['internal', Code.INTERNAL],
  ] as const)('a Failure of kind %s', (kind, code) => {
    expect(toRpcError(new Failure(kind, 'text'))).toMatchObject({ code, message: 'text' })
  })

  test('a Failure says where and what to do next, in sentences', () => {
    const text = (next: string[]) => toRpcError(new Failure('invalid', 'it is wrong', { where: 'here', next })).message
    expect(text([])).toBe('it is wrong (here)')
    expect(text(['Do this.'])).toBe('it is wrong (here). Do this.')
    expect(text(['Do this.', 'Is it that?', 'Or `see here`', 'Or that.'])).toBe(
      'it is wrong (here). Do this. Is it that? Or `see here`. Or that.',
    )
    expect(toRpcError(new Failure('invalid', 'It is wrong.', { next: ['Do this.'] })).message).toBe(
      'It is wrong. Do this.',
    )
  })

  test('a bug loses its text but not its cause', () => {
    const bug = new TypeError('secret')
    expect(toRpcError(bug)).toMatchObject({ code: Code.INTERNAL, message: 'internal error', cause: bug })
    expect([bug, toRpcError(bug), new Failure('internal', 'x')].map(isBug)).toEqual([true, true, true])
    expect([new Failure('invalid', 'x'), new RpcError(Code.ABORTED, 'x')].map(isBug)).toEqual([false, false])
  })

  test('an RpcError stays what it is, and becomes a Failure for people', () => {
    const error = new RpcError(Code.UNAVAILABLE, 'later')
    expect(toRpcError(error)).toBe(error)
    expect(toFailure(error, '127.0.0.1:1')).toMatchObject({
      kind: 'unavailable',
      message: 'later',
      where: '127.0.0.1:1',
    })
  })
})

test('a status that is packed and read back is the same error', () => {
  const error = new RpcError(Code.ABORTED, 'conflict', [packAny('test.Detail', Buffer.from('x'))])
  const bytes = rpc.Status.encode(statusMessage(error)).finish()
  const back = errorOfStatus(rpc.Status.decode(bytes))
  expect(back).toMatchObject({ code: Code.ABORTED, message: 'conflict' })
  expect(Buffer.from(unpackAny(back?.details[0], 'test.Detail') ?? []).toString()).toBe('x')
  expect(unpackAny(back?.details[0], 'test.Other')).toBeUndefined()
  expect(errorOfStatus({ code: 0 })).toBeUndefined()
  expect(errorOfStatus({ code: 99 })).toMatchObject({ code: Code.UNKNOWN })
})

test('rule 25: one MISSING violation for each blob, with the subject that clients look for', () => {
  const error = missingBlobs(digests, 'inputs are missing')
  const violations = violationsOf(error)
  expect(error.code).toBe(Code.FAILED_PRECONDITION)
  expect(violations).toHaveLength(1000)
  expect(new Set(violations.map(({ type }) => type))).toEqual(new Set(['MISSING']))
  expect(violations[3]?.subject).toBe(`blobs/${'3'.padStart(64, '0')}/3`)
})

test('rule 25: trailers carry as many violations as clients take', () => {
  const bytes = statusBytes(missingBlobs(digests, 'inputs are missing'))
  expect(bytes?.length).toBeLessThan(5 * 1024 + 100)
  const cut = errorOfStatus(rpc.Status.decode(bytes ?? Buffer.alloc(0)))
  expect(cut).toMatchObject({ code: Code.FAILED_PRECONDITION, message: 'inputs are missing' })
  expect(violationsOf(cut ?? new RpcError(Code.OK, '')).length).toBeGreaterThan(30)
})

test('details that no trailer carries are left out', () => {
  const error = new RpcError(Code.ABORTED, 'much', [packAny('test.Detail', Buffer.alloc(100_000))])
  expect(rpc.Status.decode(statusBytes(error) ?? Buffer.alloc(0)).details).toEqual([])
})

test('rule 44: RetryInfo says how long to wait', () => {
  const error = retryLater('draining', 1500)
  const info = rpc.RetryInfo.decode(unpackAny(error.details[0], 'google.rpc.RetryInfo') ?? Buffer.alloc(0))
  expect(error.code).toBe(Code.UNAVAILABLE)
  expect(info.retryDelay).toMatchObject({ seconds: 1, nanos: 500_000_000 })
})
