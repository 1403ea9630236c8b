/**
 * Header blocks of requests as usual clients send them: literals that both sides remember the
 * first time, indices into that table (RFC 7541, section 2.3.2) from then on.
 */

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

/** Writes the blocks of one connection, all of them and in the order in which they are sent. */
export function createHeaderWriter(): (path: string) => Buffer {
  const table = new Map<string, number>()
  const settled = new Map<string, { block: Buffer; entries: number }>()

  const encode = ([name, value]: Header): Buffer => {
    const key = `${name}:${value}`
    const at = table.get(key)
    if (at !== undefined) return Buffer.from([0x80 | oneByte(staticEntries + table.size - at)])
    table.set(key, table.size)
    return Buffer.concat([Buffer.from([0x40]), text(name), text(value)])
  }

  return (path) => {
    const known = settled.get(path)
    if (known && known.entries === table.size) return known.block
    const before = table.size
    const block = Buffer.concat([...common, [':path', path] as const].sort(pseudoFirst).map(encode))
    if (table.size === before) settled.set(path, { block, entries: table.size })
    return block
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
