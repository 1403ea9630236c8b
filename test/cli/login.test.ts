import { expect, test } from 'vitest'
import { serverUrl } from '../../src/cli/login.ts'
import { isReadable } from '../../src/core/address.ts'

test.each([
  ['build.example.com:50052', 'grpc://build.example.com:50052', true],
  ['http://10.0.0.7:1', 'grpc://10.0.0.7:1', true],
  ['grpcs://build.example.com', 'grpcs://build.example.com:443', false],
  ['https://build.example.com:50051', 'grpcs://build.example.com:50051', false],
  ['localhost:50052', 'grpc://localhost:50052', false],
  ['[::1]:50052', 'grpc://[::1]:50052', false],
] as const)('%s is %s, and a token on its way there can be read: %s', (text, url, readable) => {
  expect(serverUrl(text)).toBe(url)
  expect(isReadable(serverUrl(text))).toBe(readable)
})

test.each(['unix:/run/native.sock', 'build.example.com:0', 'ftp://build.example.com', ''])(
  '"%s" is refused',
  (text) => {
    expect(() => serverUrl(text)).toThrow(expect.objectContaining({ kind: 'invalid' }))
  },
)
