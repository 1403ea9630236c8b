/**
 * Header blocks of requests as usual clients send them: literals that both sides remember the
 * first time, indices into that table (RFC 7541, section 2.3.2) from then on. What a client says
 * of itself is of an action each, and so a literal each time, as Bazel's is.
 */
import { randomUUID } from 'node:crypto'
import { requestMetadata } from '../../../src/client/request-metadata.ts'

type Header = readonly [name: string, value: string]

const common: readonly Header[] = [
  [':method', 'POST'],
  [':scheme', 'http'],
  [':authority', '127.0.0.1'],
  ['te', 'trailers'],
  ['content-type', 'application/grpc'],
  ['user-agent', 'bench'],
]
const staticEntries = 61
/** A length or index of more would take a second byte. */
const oneByteMax = 126

/** Different things that a client says of itself in one build; they go round. */
const invocation = randomUUID()
const said = Array.from({ length: 64 }, (_, at) => {
  const [entry] = Object.entries(requestMetadata({ tool: 'bench', invocation, mnemonic: `Kind${at}` }))
  const [name, value] = entry ?? ['', '']
  // Not to be remembered (RFC 7541, section 6.2.2).
  return Buffer.concat([Buffer.from([0x00]), text(name), text(value)])
})

/** Writes the blocks of one connection, all of them and in the order in which they are sent. */
export function createHeaderWriter(): (path: string) => Buffer {
  const table = new Map<string, number>()
  const settled = new Map<string, { block: Buffer; entries: number }>()
  let turn = 0

  const encode = ([name, value]: Header): Buffer => {
    const key = `${name}:${value}`
    const at = table.get(key)
    if (at !== undefined) return Buffer.from([0x80 | oneByte(staticEntries + table.size - at)])
    table.set(key, table.size)
    return Buffer.concat([Buffer.from([0x40]), text(name), text(value)])
  }

  const block = (path: string): Buffer => {
    const known = settled.get(path)
    if (known && known.entries === table.size) return known.block
    const before = table.size
    const fresh = Buffer.concat([...common, [':path', path] as const].sort(pseudoFirst).map(encode))
    if (table.size === before) settled.set(path, { block: fresh, entries: table.size })
    return fresh
  }

  return (path) => {
    turn = (turn + 1) % said.length
    return Buffer.concat([block(path), said[turn] ?? Buffer.alloc(0)])
  }
}

function pseudoFirst([a]: Header, [b]: Header): number {
  return Number(b.startsWith(':')) - Number(a.startsWith(':'))
}

function text(value: string): Buffer {
  return Buffer.concat([Buffer.from([oneByte(value.length)]), Buffer.from(value, 'latin1')])
}

function oneByte(value: number): number {
  if (value > oneByteMax) throw new Error(`${value} takes more than one byte in a header block`)
  return value
}
