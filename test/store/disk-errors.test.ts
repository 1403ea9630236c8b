import fs from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { errnoOf, Failure } from '../../src/core/failure.ts'
import type { Append } from '../../src/store/disk/append.ts'
import { createAppender } from '../../src/store/disk/appender.ts'
import { diskFailure } from '../../src/store/disk/errors.ts'
import { createFileIo } from '../../src/store/disk/file-io.ts'
import { decodeHeader, recordBytes } from '../../src/store/disk/record.ts'
import { createSegment, type Segment, segmentOf } from '../../src/store/disk/segment.ts'
import { blobOf } from '../fixture/blob.ts'
import { testFolder } from '../fixture/folder.ts'
import { quietLog } from '../fixture/quiet-log.ts'

function thrownBy(work: () => unknown): unknown {
  try {
    work()
  } catch (error) {
    return error
  }
  throw new Error('nothing was thrown')
}

describe('what the system says', () => {
  test('about a missing file of its own, or anything unexpected, is our bug', () => {
    const error = thrownBy(() => fs.openSync('/nowhere/at/all', 'r'))
    expect(diskFailure(error, 'reading', '/nowhere')).toMatchObject({
      kind: 'internal',
      where: '/nowhere',
      cause: error,
    })
  })
  test.runIf(process.platform === 'linux')('about a full disk is a failure that says what to do', () => {
    const error = thrownBy(() => fs.writeFileSync('/dev/full', 'x'))
    const failure = diskFailure(error, 'writing', '/dev/full')
    expect(failure).toMatchObject({ kind: 'exhausted', message: expect.stringContaining('the disk is full') })
    expect(failure.next).not.toEqual([])
  })
  test.each([
    ['EMFILE', 'exhausted'],
    ['ENFILE', 'exhausted'],
    ['EIO', 'unavailable'],
    ['EDQUOT', 'exhausted'],
    ['EROFS', 'denied'],
  ])('%s is %s', (code, kind) => {
    expect(diskFailure(Object.assign(new Error(code), { code }), 'writing', 'here').kind).toBe(kind)
  })
  test('a failure stays what it is', () => {
    const failure = new Failure('corrupt', 'damaged')
    expect(diskFailure(failure, 'reading', 'here')).toBe(failure)
  })
})

describe('appending', () => {
  function appendOf(text: string): Append {
    const { digest, bytes } = blobOf(text)
    const { length } = bytes
    return { kind: 'value', digest, parts: [bytes], bytes: recordBytes('sha256', length), length, reuse: 0 }
  }

  test.runIf(process.platform === 'linux')(
    'a full disk fails the whole group, and the next one is tried again',
    async () => {
      const folder = await testFolder()
      const good = createSegment(folder, 1, 0, 0)
      const full = segmentOf({
        number: 2,
        path: '/dev/full',
        fd: fs.openSync('/dev/full', 'r+'),
        bytes: 16,
        records: 0,
        age: 0,
        writtenMs: 0,
      })
      const written: string[] = []
      let segment: Segment = full
      const appender = createAppender({
        io: createFileIo(),
        durability: 'process',
        groupBytesMax: 100_000,
        log: quietLog,
        segmentFor: () => segment,
        isCurrent: () => true,
        written: ({ digest }) => written.push(digest.hash),
      })
      const outcomes = await Promise.allSettled(['a', 'b'].map((text) => appender.append(appendOf(text))))
      expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
      expect(outcomes[0]).toMatchObject({ reason: { kind: 'exhausted' } })
      expect(written).toEqual([])
      segment = good
      await appender.append(appendOf('c'))
      expect(written).toEqual([blobOf('c').digest.hash])
      const bytes = fs.readFileSync(good.path)
      expect(decodeHeader(bytes, 16)?.digest).toEqual(blobOf('c').digest)
      fs.closeSync(good.fd)
      fs.closeSync(full.fd)
    },
  )

  test('a record that is given the moment the last one is acknowledged is written too', async () => {
    const segment = createSegment(await testFolder(), 1, 0, 0)
    const appender = createAppender({
      io: createFileIo(),
      durability: 'process',
      groupBytesMax: 100_000,
      log: quietLog,
      segmentFor: () => segment,
      isCurrent: () => true,
      written: () => undefined,
    })
    await appender.append(appendOf('first')).then(() => appender.append(appendOf('second')))
    expect(segment.records).toBe(2)
    fs.closeSync(segment.fd)
  })

  test('records of one tick are one write, in their order', async () => {
    const folder = await testFolder()
    const segment = createSegment(folder, 1, 0, 0)
    const groups: number[] = []
    const appender = createAppender({
      io: createFileIo(),
      durability: 'process',
      groupBytesMax: 100_000,
      log: quietLog,
      segmentFor(_bytes, records) {
        groups.push(records.length)
        return segment
      },
      isCurrent: () => true,
      written: () => undefined,
    })
    await Promise.all(Array.from({ length: 100 }, (_, at) => appender.append(appendOf(`blob ${at}`))))
    expect(groups).toEqual([100])
    await Promise.all(Array.from({ length: 3 }, (_, at) => appender.append(appendOf(`${at}`.repeat(60_000)))))
    // Longer than a group may be together.
    expect(groups).toEqual([100, 1, 1, 1])
    expect(fs.statSync(segment.path).size).toBe(segment.bytes)
    fs.closeSync(segment.fd)
  })
})

describe('moving bytes', () => {
  test('after a slow transfer the thread pool takes over for a while', async () => {
    const path = join(await testFolder(), 'file')
    const fd = fs.openSync(path, 'w+')
    let time = 0
    let step = 0
    const io = createFileIo(() => {
      time += step
      return time
    })
    const bytes = Buffer.from('some bytes')
    expect(io.write(fd, [bytes], 0)).toBeUndefined()
    expect(io.read(fd, Buffer.alloc(10), 0)).toBe(10)
    step = 1000
    expect(io.read(fd, Buffer.alloc(10), 0)).toBe(10)
    step = 0
    const later = io.read(fd, Buffer.alloc(10), 0)
    expect(later).toBeInstanceOf(Promise)
    expect(await later).toBe(10)
    await Promise.all(Array.from({ length: 300 }, () => io.write(fd, [bytes, bytes], 0)))
    expect(io.read(fd, Buffer.alloc(100), 0)).toBe(20)
    fs.closeSync(fd)
  })
  test('a read past the end says how much there was', async () => {
    const path = join(await testFolder(), 'file')
    fs.writeFileSync(path, 'short')
    const fd = fs.openSync(path, 'r')
    expect(createFileIo().read(fd, Buffer.alloc(100), 2)).toBe(3)
    expect(await createFileIo().read(fd, Buffer.alloc(1_000_000), 2)).toBe(3)
    fs.closeSync(fd)
  })
  test('an error of a pooled transfer is the system’s', async () => {
    const path = join(await testFolder(), 'file')
    fs.writeFileSync(path, '')
    const fd = fs.openSync(path, 'r')
    const large = Buffer.alloc(1_000_000)
    await expect(createFileIo().write(fd, [large], 0)).rejects.toSatisfy((error) => errnoOf(error) === 'EBADF')
    fs.closeSync(fd)
  })
})
