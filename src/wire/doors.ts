import { createRefusal } from './accept.ts'
import { HttpError, type HttpHandler } from './http.ts'
import { createHttp1, type Http1 } from './http1/server.ts'
import type { SessionOptions } from './http2/session.ts'
import { Code, type RpcError } from './rpc.ts'

/** What answers a connection, by protocol. */
export interface Door {
  readonly http2: SessionOptions
  readonly http1: Http1
}

export interface Doors {
  /** For admitted clients. */
  readonly open: Door
  /** For the others: every request is answered with the reason. */
  closed(why: RpcError): Door
}

export interface DoorsOptions extends SessionOptions {
  /** Answers HTTP/1.1. */
  readonly http: HttpHandler
}

export function createDoors(options: DoorsOptions): Doors {
  // There is only a handful of reasons, all of them our own texts.
  const kept = new Map<string, Door>()
  return {
    open: { http2: options, http1: createHttp1({ ...options, handle: options.http }) },
    closed(why) {
      const known = kept.get(why.message)
      if (known) return known
      const handle: HttpHandler = async () => {
        const status = why.code === Code.PERMISSION_DENIED ? 403 : 400
        throw new HttpError(status, why.message, { connection: 'close' })
      }
      const door: Door = {
        http2: { ...options, accept: createRefusal(why) },
        http1: createHttp1({ ...options, handle }),
      }
      kept.set(why.message, door)
      return door
    },
  }
}
