import { nameBytesMax, type Open, type Part, partsMax, timeText } from './part.ts'

const magic = '!<arch>\n'
const headerBytes = 60

/** ar(5), with the long names of GNU (a table `//`) and of BSD (`#1/LENGTH`). */
export const openAr: Open = (bytes) => {
  if (bytes.toString('latin1', 0, magic.length) !== magic) return undefined
  const parts: Part[] = []
  let names = ''
  for (let at = magic.length; at + headerBytes <= bytes.length && parts.length < partsMax; ) {
    const field = (from: number, to: number) => bytes.toString('latin1', at + from, at + to).trimEnd()
    if (field(58, 60) !== '`') return undefined
    const size = Number(field(48, 58))
    const start = at + headerBytes
    if (!Number.isSafeInteger(size) || size < 0 || start + size > bytes.length) return undefined
    const content = bytes.subarray(start, start + size)
    const own = field(0, 16)
    const bsd = /^#1\/(\d+)$/.exec(own)
    const inName = bsd ? Math.min(Number(bsd[1]), size) : 0
    if (own === '//') names = content.toString('utf8')
    parts.push({
      name: inName > 0 ? bsdName(content.subarray(0, inName)) : gnuName(own, names),
      bytes: content.subarray(inName),
      facts: {
        time: timeText(Number(field(16, 28))),
        owner: `${field(28, 34) || 0}:${field(34, 40) || 0}`,
        mode: field(40, 48),
      },
    })
    at = start + size + (size % 2)
  }
  return { format: 'ar', parts }
}

function gnuName(own: string, names: string): string {
  if (own === '/' || own === '/SYM64/') return 'symbol table'
  if (own === '//') return 'table of names'
  const place = /^\/(\d+)$/.exec(own)?.[1]
  if (place === undefined) return own.replace(/\/$/, '')
  const from = Number(place)
  const [name = ''] = names.slice(from, from + nameBytesMax).split('\n', 1)
  return name.replace(/\/$/, '')
}

/** Padded with NULs. */
function bsdName(bytes: Buffer): string {
  const end = bytes.indexOf(0)
  return bytes.toString('utf8', 0, Math.min(end < 0 ? bytes.length : end, nameBytesMax))
}
