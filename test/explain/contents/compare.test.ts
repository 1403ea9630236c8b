import { deflateRawSync, gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { encodeHeader, endOfArchive, padding } from '../../../src/archive/tar-header.ts'
import type { ContentComparison } from '../../../src/core/output-difference.ts'
import { compareContents } from '../../../src/explain/contents/compare.ts'
import { openElf } from '../../../src/explain/contents/elf.ts'
import { roomFor } from '../../../src/explain/contents/part.ts'

interface File {
  readonly name: string
  readonly content: string | Buffer
  readonly time?: number
  readonly mode?: number
}

const time = 1_800_000_000
const later = time + 60

/** What ar(5) says of the format, with GNU's table of long names. */
function ar(files: readonly File[]): Buffer {
  const long = files.filter(({ name }) => name.length > 15)
  const table = long.map(({ name }) => `${name}/\n`).join('')
  const place = (name: string) => `/${table.indexOf(`${name}/\n`)}`
  const entry = (name: string, content: Buffer, when: number, mode: number) => {
    const columns = [name.padEnd(16), String(when).padEnd(12), '0'.padEnd(6), '0'.padEnd(6)]
    const header = [...columns, mode.toString(8).padEnd(8), String(content.length).padEnd(10), '`\n'].join('')
    return Buffer.concat([Buffer.from(header), content, Buffer.from(content.length % 2 === 1 ? '\n' : '')])
  }
  return Buffer.concat([
    Buffer.from('!<arch>\n'),
    ...(table === '' ? [] : [entry('//', Buffer.from(table), 0, 0)]),
    ...files.map(({ name, content, time: when = time, mode = 0o100644 }) =>
      entry(name.length > 15 ? place(name) : `${name}/`, Buffer.from(content), when, mode),
    ),
  ])
}

function tar(files: readonly File[]): Buffer {
  return Buffer.concat([
    ...files.flatMap(({ name, content, time: mtime = time, mode = 0o644 }) => {
      const bytes = Buffer.from(content)
      return [encodeHeader({ name, type: 'file', mode, size: bytes.length, mtime }), bytes, padding(bytes.length)]
    }),
    endOfArchive,
  ])
}

/** APPNOTE.TXT 4.3.7, 4.3.12 and 4.3.16, with the times of UNIX (4.5.1, 0x5455). */
function zip(files: readonly File[]): Buffer {
  let at = 0
  const central: Buffer[] = []
  const locals = files.map(({ name, content, time: when = time }) => {
    const [bytes, packed] = [Buffer.from(content), deflateRawSync(content)]
    const extra = Buffer.alloc(9)
    extra.writeUInt16LE(0x5455, 0)
    extra.writeUInt16LE(5, 2)
    extra[4] = 1
    extra.writeUInt32LE(when, 5)
    const common = Buffer.alloc(26)
    common.writeUInt16LE(20, 0)
    common.writeUInt16LE(8, 4)
    common.writeUInt32LE(packed.length, 14)
    common.writeUInt32LE(bytes.length, 18)
    common.writeUInt16LE(name.length, 22)
    common.writeUInt16LE(extra.length, 24)
    const rest = Buffer.alloc(14)
    rest.writeUInt32LE(at, 10)
    central.push(Buffer.from('PK\x01\x02\x14\0'), common, rest, Buffer.from(name), extra)
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), common, Buffer.from(name), extra, packed])
    at += local.length
    return local
  })
  const directory = Buffer.concat(central)
  const end = Buffer.alloc(18)
  end.writeUInt16LE(files.length, 4)
  end.writeUInt16LE(files.length, 6)
  end.writeUInt32LE(directory.length, 8)
  end.writeUInt32LE(at, 12)
  return Buffer.concat([...locals, directory, Buffer.from('PK\x05\x06'), end])
}

/** A 64-bit little-endian file with nothing but sections. */
function elf(sections: Readonly<Record<string, string>>): Buffer {
  const all = { '': '', ...sections, '.shstrtab': '' }
  const names = `${Object.keys(all).join('\0')}\0`
  const contents = Object.entries(all).map(([name, text]) => Buffer.from(name === '.shstrtab' ? names : text))
  const header = Buffer.alloc(64)
  header.write('\x7fELF\x02\x01\x01', 'latin1')
  const body = Buffer.concat(contents)
  header.writeBigUInt64LE(BigInt(64 + body.length), 40)
  header.writeUInt16LE(64, 58)
  header.writeUInt16LE(contents.length, 60)
  header.writeUInt16LE(contents.length - 1, 62)
  let at = 64
  const table = Object.keys(all).map((name, number) => {
    const row = Buffer.alloc(64)
    row.writeUInt32LE(names.indexOf(`\0${name}\0`) + 1, 0)
    row.writeUInt32LE(1, 4)
    row.writeBigUInt64LE(BigInt(at), 24)
    row.writeBigUInt64LE(BigInt(contents[number]?.length ?? 0), 32)
    at += contents[number]?.length ?? 0
    return row
  })
  return Buffer.concat([header, body, ...table])
}

const told = ({ differences }: ContentComparison) =>
  differences.map(({ within, kind, one, other }) => [within.join(' > '), kind, one, other])

describe('bytes', () => {
  it('are told from the first that differs, wherever it is', () => {
    const zeros = Buffer.alloc(1_000_000)
    const other = Buffer.from(zeros)
    other[700_001] = 7
    expect(compareContents(zeros, other)).toEqual({
      ...{ format: 'unknown', offset: 700_001, cut: false },
      differences: [
        { within: [], kind: 'contents', offset: 700_001, one: '00'.repeat(16), other: `07${'00'.repeat(15)}` },
      ],
    })
    expect(compareContents(Buffer.from('abc'), Buffer.from('abcd'))).toMatchObject({ offset: 3 })
    expect(compareContents(Buffer.from(''), Buffer.from('\0'))).toMatchObject({ offset: 0 })
  })

  it.each([
    ['built on 2026-11-29', 'built on 2026-11-30', 'time'],
    ['at 10:20:30 today', 'at 10:20:31 today', 'time'],
    ['Sun Nov 29 2026', 'Mon Nov 30 2026', 'contents'],
    ['on Nov 29 2026', 'on Nov 30 2026', 'time'],
    ['stamp=1764400000', 'stamp=1764400001', 'time'],
    ['stamp=1764400000123', 'stamp=1764400001123', 'time'],
    ['1795967625595811867', '1795967628366956755', 'time'],
    ['version=1', 'version=2', 'contents'],
    ['\0/tmp/build.a1/x.c\0', '\0/tmp/build.b2/x.c\0', 'path'],
    ['file="/home/one/x"', 'file="/home/two/x"', 'path'],
    ['b\na\nc\n', 'a\nb\nc\n', 'order'],
    ['b\na\nd\n', 'a\nb\nc\n', 'contents'],
    ['half/1 of it', 'half/2 of it', 'contents'],
  ])('%j and %j differ in %s', (one, other, kind) => {
    expect(compareContents(Buffer.from(one), Buffer.from(other)).differences).toMatchObject([{ kind }])
  })
})

describe.each([
  ['ar', ar, '2027-01-15T08:00:00Z', '2027-01-15T08:01:00Z'],
  ['tar', tar, '2027-01-15T08:00:00Z', '2027-01-15T08:01:00Z'],
  ['zip', zip, '1980-00-00 00:00:00, 2027-01-15T08:00:00Z', '1980-00-00 00:00:00, 2027-01-15T08:01:00Z'],
] as const)('an archive of %s', (format, make, first, second) => {
  const files: File[] = [
    { name: 'one.o', content: 'first' },
    { name: 'a/rather/long/name/two.o', content: 'second' },
  ]
  const [one, two] = files as [File, File]

  it('names the entry whose time differs', () => {
    const comparison = compareContents(make(files), make([one, { ...two, time: later }]))
    expect(comparison.format).toBe(format)
    expect(told(comparison)).toEqual([['a/rather/long/name/two.o', 'time', first, second]])
  })

  it('names the entry whose bytes differ, and where', () => {
    const comparison = compareContents(make(files), make([one, { ...two, content: 'secund' }]))
    expect(comparison.differences).toEqual([
      { within: ['a/rather/long/name/two.o'], kind: 'contents', offset: 3, one: 'second', other: 'secund' },
    ])
  })

  it('says that the order differs, and no more', () => {
    expect(told(compareContents(make(files), make([two, one])))).toEqual([['', 'order', one.name, two.name]])
  })

  it('names entries that only one has', () => {
    const comparison = compareContents(make(files), make([one, { ...two, name: 'another.o' }]))
    expect(told(comparison)).toContainEqual(['', 'only-first', two.name, null])
    expect(told(comparison)).toContainEqual(['', 'only-second', null, 'another.o'])
  })

  it('of which a piece is missing is bytes', () => {
    const whole = make(files)
    for (let length = 0; length < whole.length; length += 7)
      expect(() => compareContents(whole, whole.subarray(0, length))).not.toThrow()
  })

  it('that was damaged anywhere is compared all the same', () => {
    const whole = make(files)
    for (let at = 0; at < whole.length; at += 1) {
      const damaged = Buffer.from(whole)
      damaged[at] = (damaged[at] ?? 0) ^ 0xff
      expect(compareContents(whole, damaged)).toMatchObject({ offset: at })
      expect(compareContents(damaged, whole).differences.length).toBeGreaterThan(0)
    }
  })
})

describe('what is within', () => {
  it('a section of an object in an archive in a compressed archive is named', () => {
    const make = (path: string) =>
      gzipSync(
        tar([{ name: 'lib.a', content: ar([{ name: 'x.o', content: elf({ '.text': 'code', '.debug_str': path }) }]) }]),
      )
    expect(told(compareContents(make('/tmp/one/x.c'), make('/tmp/two/x.c')))).toEqual([
      ['contents > lib.a > x.o > .debug_str', 'path', '/tmp/one/x.c', '/tmp/two/x.c'],
    ])
  })

  it('the time and the mode of one entry are two differences', () => {
    const files = [{ name: 'x', content: '' }]
    const other = [{ name: 'x', content: '', time: later, mode: 0o755 }]
    expect(told(compareContents(tar(files), tar(other))).map(([, kind]) => kind)).toEqual(['time', 'mode'])
  })

  it('another compression of the same is told as that', () => {
    const text = 'words '.repeat(10_000)
    const [fast, best] = [gzipSync(text, { level: 1 }), gzipSync(text, { level: 9 })]
    expect(compareContents(fast, best)).toMatchObject({
      format: 'gzip',
      differences: [{ within: [], kind: 'framing' }],
    })
  })

  it('the time in the header of gzip is a time', () => {
    const [one, other] = [gzipSync('x'), gzipSync('x')]
    other.writeUInt32LE(time, 4)
    expect(told(compareContents(one, other))).toEqual([
      ['contents', 'time', '1970-01-01T00:00:00Z', '2027-01-15T08:00:00Z'],
    ])
  })

  it('what expands without end is not expanded', () => {
    const bomb = (first: string) => gzipSync(Buffer.concat([Buffer.from(first), Buffer.alloc(1_000_000)]))
    const options = { expandedBytes: 1_500_000 }
    expect(compareContents(bomb('a'), bomb('b'), options)).toMatchObject({ format: 'unknown' })
    const zipped = (first: string) => zip([{ name: 'x', content: `${first}${'0'.repeat(1_000_000)}` }])
    expect(told(compareContents(zipped('a'), zipped('b'), options))).toMatchObject([
      ['', 'contents', expect.anything(), expect.anything()],
    ])
  })

  it('the name of a section has a bound, since many sections may share one', () => {
    const sections = openElf(elf({ [`.${'x'.repeat(5_000)}`]: 'data' }), roomFor(0, 0))?.parts.map(
      ({ name }) => name.length,
    )
    expect(sections).toEqual([1024, '.shstrtab'.length])
  })

  it('an object that was damaged anywhere is compared all the same', () => {
    const whole = elf({ '.text': 'code', '.data': 'data' })
    for (let at = 0; at < whole.length; at += 1) {
      const damaged = Buffer.from(whole)
      damaged[at] = (damaged[at] ?? 0) ^ 0xff
      expect(compareContents(whole, damaged)).toMatchObject({ offset: at })
      expect(compareContents(whole, whole.subarray(0, at)).differences.length).toBeGreaterThan(0)
    }
  })

  it('sections that lie on top of each other are not read again and again', () => {
    const overlapping = (last: string) => {
      const [size, rows] = [100_000, 1_000]
      const file = Buffer.alloc(64 + size + rows * 64, 'x')
      elf({}).copy(file, 0, 0, 64)
      file.writeBigUInt64LE(BigInt(64 + size), 40)
      file.writeUInt16LE(rows, 60)
      file.writeUInt16LE(1, 62)
      for (let row = 0; row < rows; row += 1) {
        const at = 64 + size + row * 64
        file.fill(0, at, at + 64)
        file.writeUInt32LE(1, at + 4)
        file.writeBigUInt64LE(64n, at + 24)
        // The last row has the one byte more that differs.
        file.writeBigUInt64LE(BigInt(row === rows - 1 ? size : size - 1), at + 32)
      }
      file.write(last, 64 + size - 1)
      return file
    }
    expect(compareContents(overlapping('a'), overlapping('b'))).toMatchObject({
      format: 'elf',
      offset: 64 + 100_000 - 1,
      cut: true,
      differences: { length: 1 },
    })
  })

  it('entries that share what they unpack are not unpacked again and again', () => {
    // Empty blocks of deflate: much to read, of which nothing comes.
    const packed = Buffer.concat([
      ...Array<Buffer>(50_000).fill(Buffer.from([0, 0, 0, 0xff, 0xff])),
      deflateRawSync(''),
    ])
    const shared = (comment: string) => {
      const local = Buffer.alloc(30)
      local.writeUInt32LE(0x04034b50, 0)
      const entry = Buffer.alloc(46)
      entry.writeUInt32LE(0x02014b50, 0)
      entry.writeUInt16LE(8, 10)
      entry.writeUInt32LE(packed.length, 20)
      const end = Buffer.alloc(22)
      end.writeUInt32LE(0x06054b50, 0)
      end.writeUInt16LE(1_000, 10)
      end.writeUInt32LE(local.length + packed.length, 16)
      return Buffer.concat([local, packed, ...Array<Buffer>(1_000).fill(entry), end, Buffer.from(comment)])
    }
    expect(compareContents(shared('a'), shared('b'))).toMatchObject({ cut: true })
  })

  it('names as long as a file are cut', () => {
    const named = (content: string) => ar([{ name: 'x'.repeat(100_000), content }])
    const [difference] = compareContents(named('a'), named('b')).differences
    expect(difference?.within.map(({ length }) => length)).toEqual([1024])
  })

  it('many differences are cut', () => {
    const many = (content: string) => ar(Array.from({ length: 50 }, (_, at) => ({ name: `${at}.o`, content })))
    expect(compareContents(many('a'), many('b'))).toMatchObject({ cut: true, differences: { length: 20 } })
  })
})
