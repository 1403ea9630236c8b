import { nameBytesMax, type Open, type Part, partsMax } from './part.ts'

const noBits = 8

/** An object file, library or program, by its section table (gABI, chapter 4). */
export const openElf: Open = (bytes) => {
  if (bytes.length < 64 || bytes.toString('latin1', 0, 4) !== '\x7fELF') return undefined
  const [wide, little] = [bytes[4] === 2, bytes[5] === 1]
  const half = (at: number) => (little ? bytes.readUInt16LE(at) : bytes.readUInt16BE(at))
  const word = (at: number) => (little ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at))
  const long = (at: number) => Number(little ? bytes.readBigUInt64LE(at) : bytes.readBigUInt64BE(at))
  const address = wide ? long : word
  const table = address(wide ? 40 : 32)
  const [entryBytes, count, namesAt] = wide ? [half(58), half(60), half(62)] : [half(46), half(48), half(50)]
  if (namesAt >= count || count > partsMax || entryBytes < (wide ? 64 : 40)) return undefined
  if (!Number.isSafeInteger(table) || table + entryBytes * count > bytes.length) return undefined

  const section = (number: number) => {
    const at = table + number * entryBytes
    const [offset, size] = wide ? [long(at + 24), long(at + 32)] : [word(at + 16), word(at + 20)]
    const empty = word(at + 4) === noBits
    return { nameAt: word(at), bytes: empty ? bytes.subarray(0, 0) : bytes.subarray(offset, offset + size) }
  }
  const names = section(namesAt).bytes
  const parts: Part[] = Array.from({ length: count }, (_, number) => {
    const { nameAt, bytes: content } = section(number)
    const named = names.subarray(nameAt, nameAt + nameBytesMax)
    const end = named.indexOf(0)
    return { name: named.toString('utf8', 0, end < 0 ? named.length : end), bytes: content, facts: {} }
  })
  return { format: 'elf', parts: parts.filter(({ name }) => name !== '') }
}
