import { createServer, type Socket } from 'node:net'
import { Writable } from 'node:stream'
import type { PortForward } from '@kubernetes/client-node'
import { Failure } from '../../core/failure.ts'
import type { ConnectOptions } from './connect.ts'
import type { Pod } from './pods.ts'

/** A port on this machine's loopback that is forwarded to a port of a pod. */
export interface ForwardedPort {
  readonly port: number
  /** Closes it and all connections. */
  close(): Promise<void>
}

export interface ForwardOptions extends Pick<ConnectOptions, 'kubeconfig' | 'context'> {
  /** The current pod; called for each connection. @throws what a connection then ends with */
  readonly pod: () => Promise<Pod>
  /** Its port. */
  readonly port: number
  /** Called with the reason why a connection could not be made. */
  readonly failed: (error: unknown) => void
}

/** The most bytes that wait in memory for a slow reader before reading from the pod is paused. */
const waitingBytesMax = 1024 * 1024

/** The part of the connection to the API server that is used; client-node's is of the package ws. */
type Carrier = Awaited<ReturnType<PortForward['portForward']>>

/**
 * Forwards a free port of this machine to a port of a pod, through the API server, with the rights of the kubeconfig.
 * @throws Failure 'not-found' where the kubeconfig has no such context, and as a server that listens does
 */
export async function forwardPort({ kubeconfig, context, pod, port, failed }: ForwardOptions): Promise<ForwardedPort> {
  const { KubeConfig, PortForward } = await import('@kubernetes/client-node')
  const config = new KubeConfig()
  config.loadFromFile(kubeconfig)
  if (!config.getContextObject(context))
    throw new Failure('not-found', `no context "${context}"`, { where: kubeconfig })
  config.setCurrentContext(context)
  const forward = new PortForward(config)
  const sockets = new Set<Socket>()

  async function carry(socket: Socket): Promise<void> {
    const { metadata } = await pod()
    let carrier: Carrier | undefined
    const output = new Writable({
      write(chunk: Buffer, _, done) {
        socket.write(chunk)
        if (socket.writableLength > waitingBytesMax) pause(carrier, socket)
        done()
      },
    })
    carrier = await forward.portForward(metadata.namespace ?? '', metadata.name, [port], output, null, socket)
    const made = typeof carrier === 'function' ? carrier() : carrier
    if (!made || socket.destroyed) {
      made?.close()
      return
    }
    made.onclose = () => socket.end()
    socket.once('close', () => made.close())
  }

  const server = createServer((socket) => {
    sockets.add(socket)
    // A browser that disconnects is not an error.
    socket.on('error', () => socket.destroy())
    socket.once('close', () => sockets.delete(socket))
    carry(socket).catch((error: unknown) => {
      socket.destroy()
      failed(error)
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host: '127.0.0.1', port: 0 }, resolve)
  })
  const address = server.address()
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}

function pause(carrier: Carrier | undefined, socket: Socket): void {
  const made = typeof carrier === 'function' ? carrier() : carrier
  // The types are those of a browser's WebSocket, which lacks these methods.
  if (!made || !('pause' in made && 'resume' in made)) return
  const { pause: stop, resume: go } = made as { pause(): void; resume(): void }
  stop.call(made)
  socket.once('drain', () => go.call(made))
}
