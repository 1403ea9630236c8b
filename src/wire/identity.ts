import type { Secret } from '../core/secret.ts'
import type { CallOptions, Channel } from './rpc.ts'

/** The role of a server that calls another one of its cluster. */
export type ServerRole = 'scheduler' | 'worker'

const scheme = 'Native-Server'
const purpose = 'native server identity'
/** How often a proof is renewed; it is valid for twice as long, whatever the difference between clocks. */
const renewedMs = 30_000
const goodMs = 60_000
const shape = /^Native-Server (scheduler|worker)\.(\d{1,15})\.([\w-]{43})$/i

/**
 * The same channel, whose calls prove that they come from a server of the cluster. A proof is valid for a minute:
 * whoever listens on the port of a server that is down cannot use it afterwards.
 * @param now milliseconds since 1970
 */
export function identifiedChannel(channel: Channel, secret: Secret, role: ServerRole, now: () => number): Channel {
  const proof = renewed(
    now,
    (ms) => `${scheme} ${role}.${ms}.${secret.prove(purpose, role, String(ms)).toString('base64url')}`,
  )
  return authorizedChannel(channel, proof)
}

/** A proof renewed from time to time, rather than for each call: verifiers cache the proofs that they have seen. */
function renewed(now: () => number, make: (ms: number) => string): () => string {
  let proof = { madeAtMs: Number.NEGATIVE_INFINITY, authorization: '' }
  return () => {
    const ms = now()
    if (Math.abs(ms - proof.madeAtMs) > renewedMs) proof = { madeAtMs: ms, authorization: make(ms) }
    return proof.authorization
  }
}

/** The same channel, whose calls carry credentials unless they have their own. */
export function authorizedChannel(channel: Channel, authorization: () => string | undefined): Channel {
  const add = (options: CallOptions = {}): CallOptions => {
    const value = authorization()
    return value === undefined ? options : { ...options, metadata: { authorization: value, ...options.metadata } }
  }
  return {
    unary: (method, request, options) => channel.unary(method, request, add(options)),
    serverStream: (method, request, options) => channel.serverStream(method, request, add(options)),
    clientStream: (method, requests, options) => channel.clientStream(method, requests, add(options)),
    bidi: (method, requests, options) => channel.bidi(method, requests, add(options)),
    close: () => channel.close(),
  }
}

/** Does this header identify a server? */
export function isIdentity(authorization: string): boolean {
  return authorization.slice(0, scheme.length + 1).toLowerCase() === `${scheme.toLowerCase()} `
}

/** The server that the header identifies, and its expiry (ms since 1970); undefined if it is wrong or expired. */
export function identityIn(
  authorization: string,
  secret: Secret,
  nowMs: number,
): { role: ServerRole; untilMs: number } | undefined {
  const [, role, madeAt = '', mac = ''] = shape.exec(authorization) ?? []
  if (role !== 'scheduler' && role !== 'worker') return undefined
  if (!secret.verify(Buffer.from(mac, 'base64url'), purpose, role, madeAt)) return undefined
  const untilMs = Number(madeAt) + goodMs
  return Math.abs(nowMs - Number(madeAt)) > goodMs ? undefined : { role, untilMs }
}

const clientScheme = 'Native-Client'
const clientShape = /^Native-Client ([\w-]{1,8192})\.(\d{1,15})\.([\w-]{43})$/i
const clientPurpose = 'native client identity'

/** A client that a server of the cluster has identified by something that cannot be forwarded: its certificate. */
export interface VouchedClient {
  /** For logs and errors. */
  readonly name: string
  readonly role: string
  readonly instances: readonly string[] | undefined
}

/**
 * Creates an `authorization` that tells the cluster's other servers who is calling, valid for at least 30 seconds.
 * @param now milliseconds since 1970
 */
export function vouchFor(client: VouchedClient, secret: Secret, now: () => number): () => string {
  const text = Buffer.from(JSON.stringify(client)).toString('base64url')
  const macAt = (ms: number) => secret.prove(clientPurpose, text, String(ms)).toString('base64url')
  return renewed(now, (ms) => `${clientScheme} ${text}.${ms}.${macAt(ms)}`)
}

/** Does this header vouch for a client? */
export function isVouched(authorization: string): boolean {
  return authorization.slice(0, clientScheme.length + 1).toLowerCase() === `${clientScheme.toLowerCase()} `
}

/** The client that the header vouches for, and its expiry (ms since 1970); undefined if it is wrong or expired. */
export function vouchedIn(
  authorization: string,
  secret: Secret,
  nowMs: number,
): { client: VouchedClient; untilMs: number } | undefined {
  const [, text = '', madeAt = '', mac = ''] = clientShape.exec(authorization) ?? []
  if (!secret.verify(Buffer.from(mac, 'base64url'), clientPurpose, text, madeAt)) return undefined
  if (Math.abs(nowMs - Number(madeAt)) > goodMs) return undefined
  // Only a server of this cluster can have created it.
  const client: VouchedClient = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'))
  return { client, untilMs: Number(madeAt) + goodMs }
}
