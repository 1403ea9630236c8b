import { Failure } from '../core/failure.ts'

/** Size of a header, and the unit that contents are padded to (POSIX.1-2017, pax, "ustar Interchange Format"). */
export const blockBytes = 512

/** One entry of a tar file. */
export interface TarHeader {
  /** Slash-separated and relative; folders without a trailing slash. */
  readonly name: string
  readonly type: 'file' | 'directory' | 'symlink'
  /** Permission bits only. */
  readonly mode: number
  /** Bytes of content; 0 for anything but a file. */
  readonly size: number
  /** Seconds since 1970. */
  readonly mtime: number
  /** Where a symbolic link points. */
  readonly target?: string
}

const typeFlags = { file: '0', directory: '5', symlink: '2' } as const
/** Sizes from here on need a pax record. */
export const octalSizeMax = 8 ** 11

/**
 * The header's bytes: one ustar block, owner 0:0 without names, preceded by a pax record only for what ustar cannot
 * hold (a long name, a long target, 8 GiB and more). The same entry always gives the same bytes.
 */
export function encodeHeader(entry: TarHeader): Buffer {
  const name = entry.type === 'directory' ? `${entry.name}/` : entry.name
  const split = splitName(name)
  const records: string[] = []
  if (!split) records.push(paxRecord('path', name))
  if (entry.target !== undefined && (Buffer.byteLength(entry.target) > 100 || !ascii(entry.target)))
    records.push(paxRecord('linkpath', entry.target))
  if (entry.size >= octalSizeMax) records.push(paxRecord('size', String(entry.size)))
  const main = block(entry, split ?? { prefix: '', name: 'PaxEntry' }, typeFlags[entry.type])
  if (records.length === 0) return main
  const text = Buffer.from(records.join(''))
  const pax = { ...entry, size: text.byteLength, mode: 0o644, type: 'file' as const, target: '' }
  return Buffer.concat([
    block(pax, { prefix: '', name: 'PaxHeaders/entry' }, 'x'),
    text,
    padding(text.byteLength),
    main,
  ])
}

/** The zeros that pad content of this size. */
export function padding(size: number): Buffer {
  return Buffer.alloc((blockBytes - (size % blockBytes)) % blockBytes)
}

/** The end-of-archive marker. */
export const endOfArchive: Buffer = Buffer.alloc(2 * blockBytes)

/** A block as it stands in a file: here, pax and GNU extensions are entries of their own. */
export interface RawHeader {
  readonly name: string
  readonly flag: string
  readonly mode: number
  readonly size: number
  /** Seconds since 1970; 0 if the field is not an ordinary number. */
  readonly mtime: number
  readonly target: string
}

/**
 * Reads a header block; null for a block of zeros.
 * @throws Failure 'corrupt' when the checksum or a number is wrong
 */
export function decodeHeader(bytes: Buffer, where: string): RawHeader | null {
  if (bytes.every((byte) => byte === 0)) return null
  const stated = number(bytes.subarray(148, 156), where)
  let sum = 8 * 0x20
  for (const [at, byte] of bytes.entries()) if (at < 148 || at >= 156) sum += byte
  if (stated !== sum)
    throw new Failure('corrupt', 'this is not a tar archive, or it is damaged: a checksum is wrong', { where })
  const prefix =
    bytes.toString('latin1', 257, 262) === 'ustar' && bytes[262] === 0 ? text(bytes.subarray(345, 500)) : ''
  const name = text(bytes.subarray(0, 100))
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    flag: bytes[156] === 0 ? '0' : String.fromCharCode(bytes[156] ?? 0x30),
    mode: number(bytes.subarray(100, 108), where),
    size: number(bytes.subarray(124, 136), where),
    mtime: time(text(bytes.subarray(136, 148)).trim()),
    target: text(bytes.subarray(157, 257)),
  }
}

/**
 * The records of a pax header.
 * @throws Failure 'corrupt'
 */
export function decodePax(bytes: Buffer, where: string): Map<string, string> {
  const records = new Map<string, string>()
  for (let at = 0; at < bytes.byteLength; ) {
    const space = bytes.indexOf(0x20, at)
    const length = space < 0 ? Number.NaN : Number(bytes.toString('latin1', at, space))
    const record = bytes.subarray(space + 1, at + length - 1)
    const equals = record.indexOf(0x3d)
    if (!Number.isSafeInteger(length) || length <= 0 || at + length > bytes.byteLength || equals < 0)
      throw new Failure('corrupt', 'the archive has a damaged pax header', { where })
    records.set(record.toString('utf8', 0, equals), record.toString('utf8', equals + 1))
    at += length
  }
  return records
}

function block(entry: TarHeader, split: { prefix: string; name: string }, flag: string): Buffer {
  const bytes = Buffer.alloc(blockBytes)
  bytes.write(split.name, 0, 100, 'latin1')
  bytes.write(octal(entry.mode & 0o7777, 7), 100)
  bytes.write(octal(0, 7), 108)
  bytes.write(octal(0, 7), 116)
  bytes.write(octal(entry.size < octalSizeMax ? entry.size : 0, 11), 124)
  bytes.write(octal(entry.mtime, 11), 136)
  bytes.fill(0x20, 148, 156)
  bytes.write(flag, 156)
  if (entry.target !== undefined && ascii(entry.target)) bytes.write(entry.target, 157, 100, 'latin1')
  bytes.write('ustar\u000000', 257, 'latin1')
  bytes.write(split.prefix, 345, 155, 'latin1')
  let sum = 0
  for (const byte of bytes) sum += byte
  bytes.write(`${octal(sum, 6)}\0 `, 148, 'latin1')
  return bytes
}

function splitName(name: string): { prefix: string; name: string } | null {
  if (!ascii(name)) return null
  if (name.length <= 100) return { prefix: '', name }
  for (let at = Math.min(155, name.length - 2); at >= name.length - 101 && at > 0; at -= 1)
    if (name[at] === '/') return { prefix: name.slice(0, at), name: name.slice(at + 1) }
  return null
}

function paxRecord(key: string, value: string): string {
  const rest = Buffer.byteLength(` ${key}=${value}\n`)
  let length = rest + String(rest).length
  if (rest + String(length).length !== length) length = rest + String(length).length
  return `${length} ${key}=${value}\n`
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, '0')
}

function ascii(value: string): boolean {
  return /^[\x20-\x7e]*$/.test(value)
}

function text(field: Buffer): string {
  const end = field.indexOf(0)
  return field.toString('utf8', 0, end < 0 ? field.byteLength : end)
}

/** No archive is refused for an invalid time. */
function time(digits: string): number {
  return /^[0-7]{1,12}$/.test(digits) ? Number.parseInt(digits, 8) : 0
}

function number(field: Buffer, where: string): number {
  const first = field[0] ?? 0
  // GNU's base-256, for what octal cannot hold.
  if ((first & 0x80) !== 0) return binaryNumber(field, where)
  const digits = text(field).trim()
  if (!/^[0-7]*$/.test(digits)) throw new Failure('corrupt', 'the archive has a malformed number', { where })
  return digits === '' ? 0 : Number.parseInt(digits, 8)
}

function binaryNumber(field: Buffer, where: string): number {
  let value = BigInt((field[0] ?? 0) & 0x7f)
  for (const byte of field.subarray(1)) value = value * 256n + BigInt(byte)
  if (value > BigInt(Number.MAX_SAFE_INTEGER))
    throw new Failure('corrupt', 'the archive has an entry of an impossible size', { where })
  return Number(value)
}
