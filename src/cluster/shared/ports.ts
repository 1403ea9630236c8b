import { createServer } from 'node:net'
import { errnoOf, Failure, messageOf } from '../../core/failure.ts'

/** Where the process driver's servers listen, unless they are told otherwise. */
export const loopback = '127.0.0.1'

/** Ports by what listens on them: `cas`, `scheduler-metrics`, `worker-1-metrics`. */
export type Ports = Readonly<Record<string, number>>

const usual: Readonly<Record<string, number>> = {
  cas: 50051,
  scheduler: 50052,
  console: 50053,
  'cas-metrics': 50061,
  'scheduler-metrics': 50062,
  'console-metrics': 50063,
}
const workerMetrics = 50070
const triesMax = 20

/** The default port of a server; 0 where there is none. */
export function usualPort(use: string): number {
  const worker = /^worker-(\d+)-metrics$/.exec(use)
  return usual[use] ?? (worker ? workerMetrics + Number(worker[1]) : 0)
}

/** A use whose usual port was not free. */
export interface Moved {
  readonly use: string
  readonly usual: number
  readonly port: number
}

/**
 * Gives each use a port: its previous one, else the usual one, else a free one.
 * @param taken ports that others have claimed but may not listen on yet
 */
export async function choosePorts(
  uses: readonly string[],
  known: Ports,
  taken: ReadonlySet<number>,
): Promise<{ ports: Ports; moved: Moved[] }> {
  const ports: Record<string, number> = { ...known }
  const moved: Moved[] = []
  for (const use of uses) {
    if (ports[use] !== undefined) continue
    const claimed = new Set([...taken, ...Object.values(ports)])
    const first = usualPort(use)
    const port = !claimed.has(first) && (await isFree(first)) ? first : await freePort(claimed)
    ports[use] = port
    if (port !== first) moved.push({ use, usual: first, port })
  }
  return { ports, moved }
}

/** Can a server listen on this port of the loopback now? */
export async function isFree(port: number): Promise<boolean> {
  return port > 0 && port <= 65_535 && (await bind(port)) !== undefined
}

/** Can a server listen on this address at all? @throws the system's error when it cannot */
export function canListen(host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, host, () => server.close(() => resolve()))
  })
}

async function freePort(claimed: ReadonlySet<number>): Promise<number> {
  for (let tries = 0; tries < triesMax; tries += 1) {
    const port = await bind(0)
    if (port !== undefined && !claimed.has(port)) return port
  }
  throw new Failure('exhausted', `found no free port on ${loopback}`)
}

/** Listens briefly; returns the port, or undefined when it is taken. */
function bind(port: number): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', (error) => {
      if (errnoOf(error) === 'EADDRINUSE' || errnoOf(error) === 'EACCES') resolve(undefined)
      else reject(new Failure('unavailable', `cannot listen on ${loopback}: ${messageOf(error)}`, { cause: error }))
    })
    server.listen(port, loopback, () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' ? address?.port : undefined))
    })
  })
}
