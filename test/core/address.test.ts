import { expect, test } from 'vitest'
import { hostPortText, parseHostPort } from '../../src/core/address.ts'

test.each([
  ['127.0.0.1:50051', { host: '127.0.0.1', port: 50051 }],
  ['localhost:0', { host: 'localhost', port: 0 }],
  ['[::1]:8980', { host: '::1', port: 8980 }],
])('%s has its parts, and they make it again', (text, parts) => {
  expect(parseHostPort(text)).toEqual(parts)
  expect(hostPortText(parts)).toBe(text)
})

test.each(['', 'host', 'host:', ':1', '::1:80', 'a b:1', 'host:65536', 'host:1x', 'grpc://host:1'])(
  '"%s" is refused',
  (text) => {
    expect(() => parseHostPort(text)).toThrow(expect.objectContaining({ kind: 'invalid' }))
  },
)
