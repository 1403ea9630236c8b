import { Socket } from 'node:net'

/** The most that one read returns; shared by all connections, since a read is processed before the next. */
const readBuffer = Buffer.allocUnsafeSlow(256 * 1024)

/**
 * Reads an accepted connection into one reused buffer. Node otherwise allocates 64 KiB for each read, which is about
 * half of all work when clients upload (test/bench/transport.ts). Its documented way, `onread`, is only for sockets
 * that a program creates itself; so one is created around the connection's handle, which is undocumented but how Node's
 * own child processes pass sockets on. If there is no handle, or it is that of TLS, which only its own socket can
 * serve, the connection is read in the usual way.
 * @param accepted with `pauseOnConnect`: nothing has been read yet
 * @param read gets bytes that are its own until it returns
 * @returns the socket to use instead of the accepted one
 */
export function readShared(accepted: Socket, read: (chunk: Buffer) => void): Socket {
  const owner = accepted as unknown as { _handle?: object | null }
  const handle = owner._handle
  if (!handle || 'encrypted' in accepted) {
    accepted.on('data', read)
    accepted.resume()
    return accepted
  }
  owner._handle = null
  const options = {
    handle,
    onread: {
      buffer: readBuffer,
      callback(length: number) {
        read(readBuffer.subarray(0, length))
        return true
      },
    },
  }
  const socket = new Socket(options as object)
  // The server counts its connections by the sockets that it accepted.
  socket.once('close', () => accepted.destroy())
  return socket
}
