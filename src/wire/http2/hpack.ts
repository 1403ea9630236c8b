import { type Field, field, staticFields } from './field.ts'
import { huffmanDecode } from './huffman.ts'
import { ConnectionError, ErrorCode } from './protocol.ts'

/** The table's size if SETTINGS do not set it; ours do not. */
const tableBytesMax = 4096

/**
 * Decodes one connection's header blocks (RFC 7541): all of them and in order, since each may change the table that the
 * next one refers to.
 */
export class HpackDecoder {
  readonly #listBytesMax: number
  /** Oldest first; those before #first are evicted. */
  #entries: Field[] = []
  #first = 0
  #tableBytes = 0
  #tableLimit = tableBytesMax
  #scratch = Buffer.allocUnsafeSlow(4096)
  #source: Buffer = this.#scratch
  #at = 0
  #end = 0

  /** @param listBytesMax limit of a block's fields in memory (their total size) */
  constructor(listBytesMax: number) {
    this.#listBytesMax = listBytesMax
  }

  /**
   * @returns the fields, or undefined if they exceed the limit; the table is up to date either way
   * @throws ConnectionError COMPRESSION_ERROR
   */
  decode(source: Buffer, start: number, end: number): Field[] | undefined {
    this.#source = source
    this.#at = start
    this.#end = end
    const fields: Field[] = []
    let bytes = 0
    while (this.#at < this.#end) {
      const next = this.#next(fields.length === 0)
      if (!next) continue
      bytes += next.size
      if (bytes <= this.#listBytesMax) fields.push(next)
    }
    return bytes <= this.#listBytesMax ? fields : undefined
  }

  /** The next field, or undefined after a table size update. */
  #next(sizeAllowed: boolean): Field | undefined {
    const byte = this.#source[this.#at] ?? 0
    if (byte & 0x80) return this.#lookUp(this.#integer(7))
    if (byte & 0x40) {
      const literal = this.#literal(6)
      this.#add(literal)
      return literal
    }
    if (byte & 0x20) {
      if (!sizeAllowed) throw malformed('a change of the table after the first field')
      const limit = this.#integer(5)
      if (limit > tableBytesMax) throw malformed('a table larger than allowed')
      this.#tableLimit = limit
      this.#evict(0)
      return undefined
    }
    return this.#literal(4)
  }

  #literal(prefixBits: number): Field {
    const index = this.#integer(prefixBits)
    const name = index === 0 ? this.#string() : this.#lookUp(index).name
    return field(name, this.#string())
  }

  #lookUp(index: number): Field {
    const found =
      index <= staticFields.length
        ? staticFields[index - 1]
        : this.#entries[this.#entries.length - (index - staticFields.length)]
    if (!found || this.#entries.length - (index - staticFields.length) < this.#first)
      throw malformed('an index beyond the table')
    return found
  }

  #add(entry: Field): void {
    this.#evict(entry.size)
    if (entry.size > this.#tableLimit) return
    this.#entries.push(entry)
    this.#tableBytes += entry.size
  }

  /** Makes room for an entry of this many bytes; one that is too large empties the table. */
  #evict(bytes: number): void {
    while (this.#first < this.#entries.length && this.#tableBytes + bytes > this.#tableLimit) {
      this.#tableBytes -= this.#entries[this.#first]?.size ?? 0
      this.#first += 1
    }
    if (this.#first > 256) {
      this.#entries = this.#entries.slice(this.#first)
      this.#first = 0
    }
  }

  /** Section 5.1; four continuation bytes are enough for any meaningful index or length. */
  #integer(prefixBits: number): number {
    const full = (1 << prefixBits) - 1
    let value = (this.#source[this.#at] ?? 0) & full
    this.#at += 1
    if (value < full) return value
    for (let shift = 0; shift <= 21; shift += 7) {
      if (this.#at >= this.#end) break
      const byte = this.#source[this.#at] ?? 0
      this.#at += 1
      value += (byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
    throw malformed('an integer that is cut off or too large')
  }

  #string(): string {
    if (this.#at >= this.#end) throw malformed('a block that is cut off')
    const huffman = ((this.#source[this.#at] ?? 0) & 0x80) !== 0
    const length = this.#integer(7)
    const start = this.#at
    const end = start + length
    if (end > this.#end) throw malformed('a string that is cut off')
    this.#at = end
    if (!huffman) return this.#source.toString('latin1', start, end)
    if (length * 2 > this.#scratch.length) this.#scratch = Buffer.allocUnsafeSlow(length * 2)
    return this.#scratch.toString('latin1', 0, huffmanDecode(this.#source, start, end, this.#scratch))
  }
}

/**
 * Encodes fields as literals without indexing: a few bytes more, but no state to keep in step with the peer.
 */
export function encodeFields(fields: readonly (readonly [name: string, value: string])[]): Buffer {
  let length = 0
  for (const [name, value] of fields) length += 1 + stringLength(name) + stringLength(value)
  const block = Buffer.allocUnsafe(length)
  let at = 0
  for (const [name, value] of fields) {
    block[at] = 0
    at = putString(block, putString(block, at + 1, name), value)
  }
  return block
}

/** Section 5.1: a smaller length is one byte; this byte says that the rest of the length follows. */
const lengthFull = 0x7f

function stringLength({ length }: string): number {
  if (length < lengthFull) return 1 + length
  let bytes = 2 + length
  for (let rest = length - lengthFull; rest >= 0x80; rest >>>= 7) bytes += 1
  return bytes
}

/** Latin-1, without Huffman coding. */
function putString(block: Buffer, start: number, text: string): number {
  let at = start
  if (text.length < lengthFull) block[at] = text.length
  else {
    block[at] = lengthFull
    at += 1
    let rest = text.length - lengthFull
    for (; rest >= 0x80; rest >>>= 7) {
      block[at] = (rest & 0x7f) | 0x80
      at += 1
    }
    block[at] = rest
  }
  return at + 1 + block.write(text, at + 1, 'latin1')
}

function malformed(what: string): ConnectionError {
  return new ConnectionError(ErrorCode.COMPRESSION_ERROR, `malformed header block: ${what}`)
}
