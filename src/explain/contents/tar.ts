import { type Open, type Part, partsMax, timeText } from './part.ts'

const blockBytes = 512
const extensions = new Set(['x', 'g', 'L', 'K'])

/** POSIX ustar and pax, with GNU's long names. More lenient than an unpacker may be. */
export const openTar: Open = (bytes) => {
  if (!isHeader(bytes.subarray(0, blockBytes))) return undefined
  const parts: Part[] = []
  let said = new Map<string, string>()
  for (let at = 0; at + blockBytes <= bytes.length && parts.length < partsMax; ) {
    const header = bytes.subarray(at, at + blockBytes)
    if (header.every((byte) => byte === 0)) break
    if (!isHeader(header)) return undefined
    const flag = header[156] === 0 ? '0' : String.fromCharCode(header[156] ?? 0)
    const size = Number(said.get('size') ?? numberIn(header, 124, 136))
    const start = at + blockBytes
    if (!Number.isSafeInteger(size) || size < 0 || start + size > bytes.length) return undefined
    const content = bytes.subarray(start, start + size)
    at = start + Math.ceil(size / blockBytes) * blockBytes
    if (extensions.has(flag)) {
      if (flag === 'g') continue
      for (const [key, value] of flag === 'x' ? recordsOf(content) : longName(flag, content)) said.set(key, value)
      continue
    }
    parts.push(partOf(header, flag, content, said))
    said = new Map()
  }
  return { format: 'tar', parts }
}

function partOf(header: Buffer, flag: string, bytes: Buffer, said: ReadonlyMap<string, string>): Part {
  const link = said.get('linkpath') ?? textIn(header, 157, 257)
  const [user, group] = [textIn(header, 265, 297), textIn(header, 297, 329)]
  const prefix = header.toString('latin1', 257, 263) === 'ustar\0' ? textIn(header, 345, 500) : ''
  const name = textIn(header, 0, 100)
  return {
    name: said.get('path') ?? (prefix === '' ? name : `${prefix}/${name}`),
    bytes,
    facts: {
      time: timeText(Number(said.get('mtime') ?? numberIn(header, 136, 148))),
      owner: `${said.get('uid') ?? numberIn(header, 108, 116)}:${said.get('gid') ?? numberIn(header, 116, 124)} ${user}:${group}`,
      mode: (numberIn(header, 100, 108) & 0o7777).toString(8).padStart(4, '0'),
      kind: `${flag} ${link}`.trimEnd(),
    },
  }
}

/** Does its checksum match? */
function isHeader(header: Buffer): boolean {
  if (header.length < blockBytes) return false
  let sum = 8 * 0x20
  for (let at = 0; at < blockBytes; at += 1) if (at < 148 || at >= 156) sum += header[at] ?? 0
  return numberIn(header, 148, 156) === sum
}

/** Octal, or GNU's base 256 for larger numbers. */
function numberIn(header: Buffer, from: number, to: number): number {
  if (((header[from] ?? 0) & 0x80) !== 0) return Number(BigInt(`0x${header.toString('hex', from + 1, to)}`))
  return Number.parseInt(textIn(header, from, to).trim() || '0', 8)
}

function textIn(header: Buffer, from: number, to: number): string {
  const end = header.subarray(from, to).indexOf(0)
  return header.toString('utf8', from, end < 0 ? to : from + end)
}

function longName(flag: string, content: Buffer): [string, string][] {
  return [[flag === 'L' ? 'path' : 'linkpath', textIn(content, 0, content.length)]]
}

/** `LENGTH NAME=VALUE\n` each; a damaged record ends the list. */
function recordsOf(content: Buffer): [string, string][] {
  const records: [string, string][] = []
  for (let at = 0; at < content.length; ) {
    const space = content.indexOf(0x20, at)
    const length = space < 0 ? Number.NaN : Number(content.toString('latin1', at, space))
    if (!Number.isSafeInteger(length) || length <= 0 || at + length > content.length) break
    const [name = '', ...value] = content.toString('utf8', space + 1, at + length - 1).split('=')
    records.push([name, value.join('=')])
    at += length
  }
  return records
}
