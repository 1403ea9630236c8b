import { describe, expect, test } from 'vitest'
import { casConfig } from '../../src/config/cas.ts'
import { schedulerConfig } from '../../src/config/scheduler.ts'
import {
  hostPortText,
  isHost,
  isLoopback,
  parseGrpcUrl,
  parseHostPort,
  parseListen,
  placeText,
} from '../../src/core/address.ts'

const places = [
  ['127.0.0.1:50051', { host: '127.0.0.1', port: 50051 }],
  ['localhost:1', { host: 'localhost', port: 1 }],
  ['build-1.example.com:65535', { host: 'build-1.example.com', port: 65535 }],
  ['[::1]:8980', { host: '::1', port: 8980 }],
  ['[::ffff:127.0.0.1]:1', { host: '::ffff:127.0.0.1', port: 1 }],
] as const
const malformed = [
  ...['', 'host', 'host:', ':1', '::1:80', 'a b:1', 'host:65536', 'host:99999', 'host:1x', 'host:-1', 'grpc://host:1'],
  ...['[]:1', '[:::]:1', '[1.2.3.4]:1', '[host]:1', '[::1]', '[::1:1', 'user@host:1', 'host:1/path', ' host:1'],
]
const invalid = expect.objectContaining({ kind: 'invalid' })
const store = { kind: 'memory', size: '1MB' }

describe('host:port', () => {
  test.each([...places, ['localhost:0', { host: 'localhost', port: 0 }] as const])(
    '%s has its parts, and they make it again',
    (text, parts) => {
      expect(parseHostPort(text)).toEqual(parts)
      expect(hostPortText(parts)).toBe(text)
      expect(casConfig.parse({ listen: text, store }).listen).toBe(text)
    },
  )

  test.each(malformed)('"%s" is refused, in a configuration too', (text) => {
    expect(() => parseHostPort(text)).toThrow(invalid)
    expect(casConfig.safeParse({ listen: text, store }).error?.issues[0]?.message).toMatch(/^expected HOST:PORT/)
  })
})

test.each([
  ...[
    'localhost',
    'LOCALHOST',
    '127.0.0.1',
    '127.255.0.9',
    '::1',
    '0:0:0:0:0:0:0:1',
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
  ].map((host) => [host, true] as const),
  ...['0.0.0.0', '::', '128.0.0.1', '127.evil.example', 'localhost.example', '::ffff:10.0.0.1', ''].map(
    (host) => [host, false] as const,
  ),
])('"%s" is this machine alone: %s', (host, is) => {
  expect(isLoopback(host)).toBe(is)
})

describe('grpc://host:port', () => {
  test.each(places)('%s has its parts', (text, parts) => {
    for (const end of ['', '/']) {
      expect(parseGrpcUrl(`grpc://${text}${end}`)).toEqual({ ...parts, secure: false })
      expect(parseGrpcUrl(`grpcs://${text}${end}`)).toEqual({ ...parts, secure: true })
      expect(schedulerConfig.parse({ listen: 'localhost:0', cas: `grpc://${text}${end}` }).cas).toContain(text)
    }
  })

  test('without a port it is port 80, and 443 with TLS', () => {
    expect(parseGrpcUrl('grpc://host')).toEqual({ host: 'host', port: 80, secure: false })
    expect(parseGrpcUrl('grpc://[::1]/')).toEqual({ host: '::1', port: 80, secure: false })
    expect(parseGrpcUrl('grpcs://host')).toEqual({ host: 'host', port: 443, secure: true })
  })

  test.each(malformed.filter((each) => each !== 'host' && each !== '[::1]').map((each) => `grpc://${each}`))(
    '%s is refused, in a configuration too',
    (url) => {
      expect(() => parseGrpcUrl(url)).toThrow(invalid)
      const { error } = schedulerConfig.safeParse({ listen: 'localhost:0', cas: url })
      expect(error?.issues[0]?.message).toMatch(/^expected grpc:\/\/HOST:PORT/)
    },
  )

  test.each(['http://host:1', 'host:1', 'grpc://host:0', 'grpcs://host:0', 'grpcss://host:1'])(
    '%s is refused',
    (url) => {
      expect(() => parseGrpcUrl(url)).toThrow(invalid)
    },
  )
})

describe('unix:/path', () => {
  test.each(['unix:/run/native.sock', 'unix:///run/native.sock'])('%s is a socket in the file system', (text) => {
    expect(parseListen(text)).toEqual({ path: '/run/native.sock' })
    expect(parseGrpcUrl(text)).toEqual({ path: '/run/native.sock', secure: false })
    expect(placeText(parseListen(text))).toBe('unix:/run/native.sock')
    expect(casConfig.parse({ listen: text, store }).listen).toBe(text)
  })

  test.each(['unix:', 'unix:run.sock', 'unix://host/run.sock', 'unix:/run/', `unix:/${'x'.repeat(103)}`])(
    '%s is refused',
    (text) => {
      expect(() => parseListen(text)).toThrow(invalid)
      expect(() => parseGrpcUrl(text)).toThrow(invalid)
    },
  )
})

test.each([
  ['build.example.com', true],
  ['build_1', true],
  ['10.0.0.5', true],
  ['fd00::5', true],
  ['*.example.com', false],
  ['build.example.com:50052', false],
  ['grpcs://build', false],
  ['a..b', false],
  ['', false],
])('%s is a host: %s', (text, is) => {
  expect(isHost(text)).toBe(is)
})
