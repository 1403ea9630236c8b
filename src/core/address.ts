import { BlockList, isIP, isIPv6 } from 'node:net'
import { Failure } from './failure.ts'

/** Where something listens: an IPv6 host is written without brackets. */
export interface HostPort {
  readonly host: string
  readonly port: number
}

/** A socket in the file system, by its whole path. */
export interface SocketPath {
  readonly path: string
}

/** Where something listens: on a port or, without TLS, on a socket in the file system. */
export type ListenPlace = HostPort | SocketPath

/** Where gRPC is called; secure means with TLS. */
export type GrpcPlace = (HostPort & { readonly secure: boolean }) | (SocketPath & { readonly secure: false })

/** sun_path has 104 bytes on macOS and 108 on Linux, including the terminating NUL. */
const socketPathBytesMax = 103

// Compared by value: an IPv6 address has many spellings, and the list recognises IPv4-mapped ones.
const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8)
loopback.addAddress('::1', 'ipv6')

/** Default ports of gRPC addresses, as in Bazel: without TLS, and with it. */
const grpcPort = 80
const grpcsPort = 443

/**
 * Parses `host:port`; an IPv6 host is in brackets.
 * @throws Failure 'invalid'
 */
export function parseHostPort(text: string): HostPort {
  const found = partsOf(text)
  if (found?.port === undefined)
    throw new Failure('invalid', 'expected HOST:PORT, for instance 127.0.0.1:50051 or [::1]:50051', { where: text })
  return { host: found.host, port: found.port }
}

/**
 * Where a server listens: `host:port`, or `unix:/path`.
 * @throws Failure 'invalid'
 */
export function parseListen(text: string): ListenPlace {
  return socketPathOf(text) ?? parseHostPort(text)
}

/**
 * Parses `grpc://host:port`, `grpcs://host:port` (with TLS), whose ports default to 80 and 443, or `unix:/path`.
 * @throws Failure 'invalid' for any other form, and for port 0, which nobody can call
 */
export function parseGrpcUrl(url: string): GrpcPlace {
  const socket = socketPathOf(url)
  if (socket) return { ...socket, secure: false }
  const [, scheme, rest = ''] = /^(grpcs?):\/\/(.*?)\/?$/.exec(url) ?? []
  const found = partsOf(rest)
  if (found === undefined || found.port === 0)
    throw new Failure(
      'invalid',
      'expected grpc://HOST:PORT, for instance grpc://127.0.0.1:50051, or grpcs:// for a server with TLS',
      { where: url },
    )
  const secure = scheme === 'grpcs'
  return { host: found.host, port: found.port ?? (secure ? grpcsPort : grpcPort), secure }
}

/** The inverse. */
export function hostPortText({ host, port }: HostPort): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** Is this a host name, or an address, as certificates name them? Not a pattern such as *.example.com. */
export function isHost(text: string): boolean {
  return isIP(text) !== 0 || (text.length <= 253 && /^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/i.test(text))
}

/** Does this host mean this machine only: `localhost`, or a loopback address? */
export function isLoopback(host: string): boolean {
  const family = isIP(host)
  return family === 0 ? host.toLowerCase() === 'localhost' : loopback.check(host, family === 4 ? 'ipv4' : 'ipv6')
}

/** Would a token travel to this server unencrypted, for anybody on the way to read? */
export function isReadable(url: string): boolean {
  const place = parseGrpcUrl(url)
  return 'host' in place && !place.secure && !isLoopback(place.host)
}

/** A place as text: `host:port` or `unix:/path`. */
export function placeText(place: ListenPlace): string {
  return 'path' in place ? `unix:${place.path}` : hostPortText(place)
}

/** @throws Failure 'invalid' for a path that is not absolute, or too long for a socket */
function socketPathOf(text: string): SocketPath | undefined {
  const [, path] = /^unix:(?:\/\/(?=\/))?(.*)$/.exec(text) ?? []
  if (path === undefined) return undefined
  if (!/^\/(?!\/)/.test(path) || path.endsWith('/') || path.includes('\0'))
    throw new Failure('invalid', 'expected unix:/PATH, a whole path', { where: text })
  if (Buffer.byteLength(path) > socketPathBytesMax)
    throw new Failure('invalid', `the path of a socket has at most ${socketPathBytesMax} bytes`, { where: text })
  return { path }
}

/** The only place with this pattern. No user may precede the host, and no path follow the port. */
function partsOf(text: string): { host: string; port: number | undefined } | undefined {
  const match = /^(?:\[([^[\]\s]+)\]|([^\s:/@[\]]+))(?::(\d{1,5}))?$/.exec(text)
  const [, v6, name] = match ?? []
  const host = v6 ?? name
  if (host === undefined || (v6 !== undefined && !isIPv6(v6))) return undefined
  const port = match?.[3] === undefined ? undefined : Number(match[3])
  return port !== undefined && port > 65_535 ? undefined : { host, port }
}
