import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { Http1Connection, type Http1Options } from './connection.ts'

// Importing node:http statically also loads undici: 40 ms of processor time at each server's start.
const http = () => process.getBuiltinModule('node:http')

/** Header fields of one request: total bytes, and how many. */
const headerBytesMax = 16 * 1024
const headersMax = 100

/** HTTP/1.1 on connections that somebody else accepts. */
export interface Http1 {
  /**
   * Serves a connection.
   * @param socket paused: nobody else reads from it any more
   * @param head what has already been read from it
   */
  take(socket: Socket, head: Buffer): Http1Connection
}

/** Parses with node:http, which is loaded at the first connection. */
export function createHttp1(options: Http1Options): Http1 {
  const connections = new WeakMap<object, Http1Connection>()
  let server: Server | undefined

  function started(): Server {
    const made = http().createServer({
      maxHeaderSize: headerBytesMax,
      // These only apply to connections that the server accepts itself; connection.ts watches ours.
      keepAliveTimeout: 0,
      requestTimeout: 0,
      headersTimeout: 0,
    })
    made.maxHeadersCount = headersMax
    // A client that has sent all of its requests may close its side and wait for the answers.
    Object.assign(made, { httpAllowHalfOpen: true })
    made.on('request', (request, response) => connections.get(request.socket)?.take(request, response, false))
    made.on('checkContinue', (request, response) => connections.get(request.socket)?.take(request, response, true))
    made.on('clientError', (error, socket) => connections.get(socket)?.refuse(error))
    return made
  }

  return {
    take(socket, head) {
      server ??= started()
      const connection = new Http1Connection(socket, options)
      connections.set(socket, connection)
      socket.setNoDelay(true)
      socket.on('error', () => socket.destroy())
      socket.unshift(head)
      server.emit('connection', socket)
      socket.resume()
      return connection
    },
  }
}
