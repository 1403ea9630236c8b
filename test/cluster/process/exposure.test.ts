import { describe, expect, test } from 'vitest'
import { assertCanExpose, assertMayExpose, guardsOf } from '../../../src/cluster/process/exposure.ts'
import { isLoopback } from '../../../src/core/address.ts'

const none = { tls: false, access: false, insecure: false }

describe('an address beyond the loopback', () => {
  test.each(['0.0.0.0', '::', '192.0.2.1', '::ffff:0:1', '128.0.0.1'])('%s needs TLS and access control', (host) => {
    expect(isLoopback(host)).toBe(false)
    const refused = (guards: typeof none) => {
      try {
        assertMayExpose(host, guards)
      } catch (error) {
        return error
      }
      return undefined
    }
    expect(refused(none)).toMatchObject({
      kind: 'precondition',
      where: '--listen',
      message: expect.stringContaining('TLS and access control are missing'),
    })
    expect(refused({ ...none, tls: true })).toMatchObject({
      message: expect.stringContaining('access control is missing'),
    })
    expect(refused({ ...none, access: true })).toMatchObject({ message: expect.stringContaining(': TLS is missing') })
    expect(refused({ ...none, tls: true, access: true })).toBeUndefined()
    expect(refused({ ...none, insecure: true })).toBeUndefined()
  })

  test.each(['127.0.0.1', '127.8.9.10', '::1'])('%s is not one', (host) => {
    expect(() => assertMayExpose(host, none)).not.toThrow()
  })
})

test('certificates of clients are an access control, and certificates of our own are not', () => {
  expect(guardsOf({})).toEqual(none)
  expect(guardsOf({ tls: 'auto' })).toEqual({ ...none, tls: true })
  expect(guardsOf({ tls: { cert: 'c', key: 'k' } })).toEqual({ ...none, tls: true })
  expect(guardsOf({ tls: { client_ca: 'ca' } })).toEqual({ ...none, tls: true, access: true })
})

test('an address that this machine does not have is refused, and one for strangers where the cluster is private', async () => {
  await expect(assertCanExpose({ listen: '192.0.2.77', insecure: true })).rejects.toMatchObject({
    kind: 'invalid',
    where: '--listen',
  })
  await expect(assertCanExpose({ listen: '0.0.0.0', insecure: true, private: true })).rejects.toMatchObject({
    kind: 'invalid',
    where: '--private',
  })
  await assertCanExpose({ listen: '0.0.0.0', insecure: true })
  await assertCanExpose({})
})
