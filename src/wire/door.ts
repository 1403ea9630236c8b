import type { X509Certificate } from 'node:crypto'
import type { Code, RpcError } from './rpc.ts'

/**
 * Who is calling, and what they may do: the contract between the transport, which stops a call before
 * anything of its body is read, and the room `access`, which judges credentials.
 */
export interface Door {
  /**
   * Finds out who is calling. Wrong credentials yield a visitor too, one who may do hardly anything.
   * @param authorization the header of that name, as sent
   * @param peer address and port, for limits and logs
   * @param certificate the client's, verified; used if there is no header
   * @returns a promise where that takes longer (a hash that is slow by design, a key that is fetched); it never rejects
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
  /** May they use some instances only? Then each message is inspected, or the name that an Operation has. */
  readonly limited: boolean
  /** @throws RpcError PERMISSION_DENIED when a message names an instance that they may not use, or concerns all */
  inspect(method: string, message: Uint8Array): void
  /** The same for an HTTP request. */
  assertInstance(operation: Operation): void
  /** The `authorization` for passing their calls on, if they sent none that can be passed on. */
  readonly vouch?: () => string
  /** Their open calls; each is told when they lose their rights. */
  readonly calls: Set<OpenCall>
}

/** An error whose code is one of two. */
export type Refusal = RpcError & { readonly code: typeof Code.UNAUTHENTICATED | typeof Code.PERMISSION_DENIED }

/** A call that can be ended. */
export interface OpenCall {
  revoked(error: RpcError): void
}

/** What a request of HTTP/1.1 asks for. */
export interface Operation {
  /** As the table of rights has it: `http/TOOL METHOD`. */
  readonly name: string
  readonly instance: string
}

/** What a connection keeps: who called last, and what said so. Nearly all of its calls have the same credentials. */
export interface Visited {
  /** What the client has shown in the handshake, verified. */
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
