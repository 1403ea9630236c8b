import { readFile } from 'node:fs/promises'
import { type AddressInfo, connect, createServer } from 'node:net'
import { endianness } from 'node:os'
import { Failure } from '../core/failure.ts'

/** The two ends of a connection, as in node:net's Socket. */
export interface Ends {
  readonly localAddress?: string | undefined
  readonly localPort?: number | undefined
  readonly remoteAddress?: string | undefined
  readonly remotePort?: number | undefined
}

/** Is this connection admitted? Never rejects. */
export type Admit = (ends: Ends) => Promise<boolean>

/** A table may change while it is read, and a row be missed. */
const looksMax = 3
const established = '01'

/**
 * Admits connections of this very user, and of root, who can do everything anyway. The peer is looked up once per
 * connection in the system's connection table; calls cost nothing extra. Connections from elsewhere (another machine,
 * another network namespace) are not in that table and so not admitted; what a root process forwards is admitted as
 * root's.
 * @throws Failure 'unimplemented' if the system does not tell
 */
export async function sameUserOnly(): Promise<Admit> {
  const own = process.getuid?.()
  if (own === undefined || !(await tellsUsers(own)))
    throw new Failure('unimplemented', 'this system cannot tell who owns a connection', {
      where: 'private',
      next: ['Set private: false (native deploy --no-private); the server then accepts anyone who can reach the port.'],
    })
  return async (ends) => {
    const uid = await userOf(ends)
    return uid === own || uid === 0
  }
}

/** Does this system tell who is at the other end of a connection? */
export async function tellsUsers(own = process.getuid?.() ?? -1): Promise<boolean> {
  if (process.platform !== 'linux') return false
  const server = createServer({ pauseOnConnect: true })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  try {
    const accepted = await new Promise<Ends & { destroy(): void }>((resolve, reject) => {
      server.once('connection', resolve)
      socket.once('error', reject)
    })
    const uid = await userOf(accepted)
    accepted.destroy()
    return uid === own
  } finally {
    socket.destroy()
    server.close()
  }
}

/** The user id at the other end of a connection within this network namespace; undefined if unknown. */
export async function userOf({
  localAddress,
  localPort,
  remoteAddress,
  remotePort,
}: Ends): Promise<number | undefined> {
  if (!localAddress || !remoteAddress || localPort === undefined || remotePort === undefined) return undefined
  const local = bytesOf(localAddress)
  const remote = bytesOf(remoteAddress)
  if (!local || !remote) return undefined
  for (let look = 0; look < looksMax; look += 1) {
    // An IPv6-only program may also use an IPv4 address, and is then in the other table.
    for (const table of local.length === 4 ? ['tcp', 'tcp6'] : ['tcp6']) {
      const wide = table === 'tcp6'
      const uid = userIn(await freshTable(table), hexOf(remote, remotePort, wide), hexOf(local, localPort, wide))
      if (uid !== undefined) return uid
    }
  }
  return undefined
}

/**
 * A connection that its owner has closed stays in the table for a while, as root's and without an inode: whoever sends
 * and closes at once would be taken for root.
 */
function userIn(table: string, remote: string, local: string): number | undefined {
  const at = table.indexOf(` ${remote} ${local} ${established} `)
  if (at < 0) return undefined
  const [, , , , , , uid, , inode] = table.slice(at + 1, table.indexOf('\n', at)).split(/\s+/)
  return /^\d+$/.test(uid ?? '') && Number(inode) > 0 ? Number(uid) : undefined
}

const coming = new Map<string, Promise<string>>()
const lately = new Map<string, Promise<unknown>>()

/** The table, read from now on; those who ask while another read is in progress share the next one. */
function freshTable(name: string): Promise<string> {
  const known = coming.get(name)
  if (known) return known
  const fresh = (lately.get(name) ?? Promise.resolve()).then(() => {
    coming.delete(name)
    const text = readFile(`/proc/net/${name}`, 'latin1').catch(() => '')
    lately.set(name, text)
    return text
  })
  coming.set(name, fresh)
  return fresh
}

/** An address as written in the table: four-byte words in the machine's byte order. */
function hexOf(address: Uint8Array, port: number, wide: boolean): string {
  const bytes = wide && address.length === 4 ? [...mapped, ...address] : [...address]
  const words: string[] = []
  for (let at = 0; at < bytes.length; at += 4) {
    const word = Buffer.from(bytes.slice(at, at + 4))
    words.push((endianness() === 'LE' ? word.reverse() : word).toString('hex'))
  }
  return `${words.join('')}:${port.toString(16).padStart(4, '0')}`.toUpperCase()
}

/** ::ffff:0:0/96 */
const mapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]

/** The bytes of an address as written by node:net; four for IPv4, even if written as IPv6. */
function bytesOf(address: string): Uint8Array | undefined {
  const four = /^(?:::ffff:)?(\d+)\.(\d+)\.(\d+)\.(\d+)$/i.exec(address)
  if (four) return Uint8Array.from(four.slice(1), Number)
  const [head = '', tail] = (address.split('%', 1)[0] ?? '').split('::')
  const groups = (text: string) => (text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16)))
  const [front, back] = [groups(head), groups(tail ?? '')]
  const gap = tail === undefined ? 0 : 8 - front.length - back.length
  const all = [...front, ...Array<number>(Math.max(gap, 0)).fill(0), ...back]
  if (all.length !== 8 || all.some(Number.isNaN)) return undefined
  return Uint8Array.from(all.flatMap((group) => [group >> 8, group & 0xff]))
}
