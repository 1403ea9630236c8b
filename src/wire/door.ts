import type { X509Certificate } from 'node:crypto'
import type { Code, RpcError } from './rpc.ts'

/**
 * Who is calling, and what they may do: the contract between the transport, which stops a call before it reads any of
 * its body, and the room `access`, which checks credentials.
 */
export interface Door {
  /**
   * Identifies the caller. Wrong credentials yield a visitor too, one with hardly any rights.
   * @param authorization the header of that name, as sent
   * @param peer address and port, for limits and logs
   * @param certificate the client's, verified; used if there is no header
   * @returns a promise if that takes longer (a slow hash by design, a key to be fetched); it never rejects
   */
  visitor(
    authorization: string | undefined,
    peer: string,
    certificate?: X509Certificate | undefined,
  ): Visitor | Promise<Visitor>
}

/** The caller of one or more calls. */
export interface Visitor {
  /** False once the credentials have to be checked again. */
  readonly current: boolean
  /**
   * Why they may not do this; undefined if they may.
   * @param operation `package.Service/Method`, or an Operation's name
   */
  refusal(operation: string): Refusal | undefined
  /** May they use some instances only? Then each message, or an Operation's name, is inspected. */
  readonly limited: boolean
  /** @throws RpcError PERMISSION_DENIED if a message names an instance that they may not use, or concerns all */
  inspect(method: string, message: Uint8Array): void
  /** The same for an HTTP request. */
  assertInstance(operation: Operation): void
  /** The `authorization` for forwarding their calls, if they sent none that can be forwarded. */
  readonly vouch?: () => string
  /** Their open calls; each is notified when they lose their rights. */
  readonly calls: Set<OpenCall>
}

/** An error with one of these two codes. */
export type Refusal = RpcError & { readonly code: typeof Code.UNAUTHENTICATED | typeof Code.PERMISSION_DENIED }

/** A call that can be ended. */
export interface OpenCall {
  revoked(error: RpcError): void
}

/** What an HTTP/1.1 request does. */
export interface Operation {
  /** As in the table of rights: `http/TOOL METHOD`. */
  readonly name: string
  readonly instance: string
}

/** Kept for each connection: the last caller and their credentials. Nearly all calls of a connection have the same. */
export interface Visited {
  /** The certificate that the client presented in the handshake, verified. */
  readonly certificate?: X509Certificate | undefined
  visit?: { readonly authorization: string | undefined; readonly visitor: Visitor }
}

/** The visitor of a call, looked up once for each connection and its credentials. */
export function visitorOf(
  door: Door,
  authorization: string | undefined,
  peer: string,
  load: Visited,
): Visitor | Promise<Visitor> {
  const { visit } = load
  if (visit?.visitor.current && visit.authorization === authorization) return visit.visitor
  const visitor = door.visitor(authorization, peer, load.certificate)
  const keep = (known: Visitor) => {
    load.visit = { authorization, visitor: known }
    return known
  }
  return visitor instanceof Promise ? visitor.then(keep) : keep(visitor)
}
