import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { batchUpdateRequest, encodeBatchReadResponse, encodeBatchUpdateResponse } from '../../src/cache/codec-batch.ts'
import { encodeFindMissingResponse, findMissingRequest } from '../../src/cache/codec-find.ts'
import { resultReferences } from '../../src/cache/codec-result.ts'
import { encodeReadHead, encodeWriteResponse, readRequest, writeRequest } from '../../src/cache/codec-stream.ts'
import { MalformedMessage } from '../../src/cache/cursor.ts'
import { digestsPerCallMax } from '../../src/core/limits.ts'
import { putVarint, varintLength } from '../../src/wire/emit.ts'
import { bytestream, re } from '../../src/wire/proto.ts'

const size = fc.maxSafeNat()
const signed = fc.maxSafeInteger()
const data = fc.uint8Array({ maxLength: 300 })
// A SHA-512 hash has 128 digits: its length takes two bytes.
const ascii = fc.string({ maxLength: 140, size: 'max', unit: fc.constantFrom(...'0123456789abcdef') })
const digest = fc.record({ hash: ascii, sizeBytes: size })
const nameText = fc.string({ unit: 'grapheme', maxLength: 200 })

/** Fields that no message of ours has, of every wire type, groups too. */
const unknownField = fc.oneof(
  fc.tuple(fc.integer({ min: 20, max: 536870911 }), signed).map(([field, value]) => varintField(field, value)),
  fc.integer({ min: 20, max: 2000 }).map((field) => bytesOf(tag(field, 1), Buffer.alloc(8, 7))),
  fc.integer({ min: 20, max: 2000 }).map((field) => bytesOf(tag(field, 5), Buffer.alloc(4, 7))),
  fc
    .tuple(fc.integer({ min: 20, max: 2000 }), data)
    .map(([field, bytes]) => bytesOf(tag(field, 2), varint(bytes.length), bytes)),
  fc
    .tuple(fc.integer({ min: 20, max: 2000 }), size)
    .map(([field, value]) => bytesOf(tag(field, 3), varintField(3, value), tag(field, 4))),
)

describe('hand-written decoders read what protobufjs reads', () => {
  test('WriteRequest', () => {
    const message = fc.record({
      resourceName: nameText,
      writeOffset: signed,
      finishWrite: fc.boolean(),
      data,
    })
    check(message, bytestream.WriteRequest, (bytes) => {
      const mine = writeRequest.decode(bytes)
      const { resourceName, writeOffset, finishWrite, data } = bytestream.WriteRequest.decode(bytes)
      expect({ ...mine, data: hex(mine.data) }).toEqual({ resourceName, writeOffset, finishWrite, data: hex(data) })
    })
  })

  test('ReadRequest', () => {
    const message = fc.record({ resourceName: nameText, readOffset: signed, readLimit: signed })
    check(message, bytestream.ReadRequest, (bytes) => {
      const { resourceName, readOffset, readLimit } = bytestream.ReadRequest.decode(bytes)
      expect(readRequest.decode(bytes)).toEqual({ resourceName, readOffset, readLimit })
    })
  })

  test('ActionResult, as far as it refers to blobs', () => {
    const maybe = fc.option(digest, { nil: null })
    const times = fc.record({ seconds: size, nanos: fc.integer({ min: 0, max: 999_999_999 }) })
    const message = fc.record(
      {
        outputFiles: fc.array(fc.record({ path: nameText, digest: maybe, isExecutable: fc.boolean(), contents: data })),
        outputDirectories: fc.array(
          fc.record({
            path: nameText,
            treeDigest: maybe,
            isTopologicallySorted: fc.boolean(),
            rootDirectoryDigest: maybe,
          }),
        ),
        outputSymlinks: fc.array(fc.record({ path: nameText, target: nameText })),
        exitCode: fc.integer(),
        stdoutRaw: data,
        stdoutDigest: maybe,
        stderrRaw: data,
        stderrDigest: maybe,
        executionMetadata: fc.record({ worker: nameText, queuedTimestamp: times, executionCompletedTimestamp: times }),
      },
      { requiredKeys: [] },
    )
    const read = (each: re.Digest.$Properties | null | undefined) =>
      each ? { hash: each.hash ?? '', sizeBytes: each.sizeBytes ?? 0, hex: true } : undefined
    check(message, re.ActionResult, (bytes) => {
      const theirs = re.ActionResult.decode(bytes)
      // The store in memory gives plain bytes.
      expect(resultReferences.decode(Uint8Array.from(bytes))).toEqual({
        outputFiles: theirs.outputFiles.map((each) => ({ digest: read(each.digest) })),
        outputDirectories: theirs.outputDirectories.map((each) => ({
          treeDigest: read(each.treeDigest),
          rootDirectoryDigest: read(each.rootDirectoryDigest),
        })),
        stdoutDigest: read(theirs.stdoutDigest),
        stderrDigest: read(theirs.stderrDigest),
      })
    })
  })

  test('FindMissingBlobsRequest', () => {
    const message = fc.record({
      instanceName: nameText,
      blobDigests: fc.array(digest, { maxLength: 20 }),
      digestFunction: fc.integer({ min: 0, max: 9 }),
    })
    check(message, re.FindMissingBlobsRequest, (bytes) => {
      const theirs = re.FindMissingBlobsRequest.decode(bytes)
      expect(findMissingRequest.decode(bytes)).toEqual({
        instanceName: theirs.instanceName,
        digestFunction: theirs.digestFunction,
        digests: theirs.blobDigests.map((each) => ({
          hash: each.hash ?? '',
          sizeBytes: each.sizeBytes ?? 0,
          hex: true,
        })),
      })
    })
  })

  test('BatchUpdateBlobsRequest', () => {
    const message = fc.record({
      instanceName: nameText,
      requests: fc.array(
        fc.record({ digest, data, compressor: fc.integer({ min: 0, max: 3 }) }, { requiredKeys: [] }),
        { maxLength: 8 },
      ),
      digestFunction: fc.integer({ min: 0, max: 9 }),
    })
    check(message, re.BatchUpdateBlobsRequest, (bytes) => {
      const mine = batchUpdateRequest.decode(bytes)
      const theirs = re.BatchUpdateBlobsRequest.decode(bytes)
      expect(mine.instanceName).toBe(theirs.instanceName)
      expect(mine.digestFunction).toBe(theirs.digestFunction)
      expect(mine.updates.map((each) => ({ ...each, data: hex(each.data) }))).toEqual(
        theirs.requests.map((each) => ({
          digest: each.digest
            ? { hash: each.digest.hash ?? '', sizeBytes: each.digest.sizeBytes ?? 0, hex: true }
            : undefined,
          data: hex(each.data ?? new Uint8Array(0)),
          compressor: each.compressor ?? 0,
        })),
      )
    })
  })

  test('a digest that occurs twice is merged, as protobuf has it', () => {
    const once = re.BatchUpdateBlobsRequest.Request.encode({ digest: { hash: 'ab' } }).finish()
    const again = re.BatchUpdateBlobsRequest.Request.encode({ digest: { sizeBytes: 5 } }).finish()
    const request = bytesOf(tag(2, 2), varint(once.length + again.length), once, again)
    expect(batchUpdateRequest.decode(request).updates[0]?.digest).toEqual({ hash: 'ab', sizeBytes: 5, hex: true })
  })

  test('data is a view of the message, not a copy', () => {
    const bytes = Buffer.from(bytestream.WriteRequest.encode({ data: Buffer.alloc(100) }).finish())
    expect(writeRequest.decode(bytes).data.buffer).toBe(bytes.buffer)
  })

  test('lists stop at one more than a call may name', () => {
    const one = Buffer.from(re.FindMissingBlobsRequest.encode({ blobDigests: [{}] }).finish())
    const many = Buffer.concat(Array.from({ length: digestsPerCallMax + 10 }, () => one))
    expect(findMissingRequest.decode(many).digests.length).toBe(digestsPerCallMax + 1)
  })
})

describe('hand-written decoders survive any bytes', () => {
  const decoders = [writeRequest, readRequest, findMissingRequest, batchUpdateRequest, resultReferences] as const

  test.each(decoders)('$name: a message or a MalformedMessage', ({ decode }) => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        accepts(() => decode(Buffer.from(bytes)))
      }),
      { numRuns: 3000 },
    )
  })

  test('what protobufjs accepts of damaged messages is read alike', () => {
    const message = fc.record({ resourceName: nameText, writeOffset: size, finishWrite: fc.boolean(), data })
    fc.assert(
      fc.property(message, fc.nat(), fc.nat(255), (value, where, byte) => {
        const bytes = Buffer.from(bytestream.WriteRequest.encode(value).finish())
        if (bytes.length > 0) bytes[where % bytes.length] = byte
        const mine = accepts(() => writeRequest.decode(bytes))
        const theirs = theirReading(bytes)
        if (mine && theirs) expect(hex(mine.data)).toEqual(hex(theirs.data))
        if (mine && theirs) expect(mine.writeOffset).toEqual(theirs.writeOffset)
      }),
      { numRuns: 2000 },
    )
  })

  test.each([
    ['a length beyond the end', '5205aa'],
    ['a varint that does not end', '10ffffffffffffffffffffff'],
    ['field number 0', '0001'],
    ['wire type 7', '0f'],
    ['a group that does not end', '0b'],
    ['a group that ends as another', '0b14'],
    ['an end of no group', '0c'],
    ['a cut-off tag', '80'],
  ])('%s is malformed', (_, bytes) => {
    expect(() => writeRequest.decode(Buffer.from(bytes, 'hex'))).toThrow(MalformedMessage)
  })

  test('groups nested without end are malformed and do not exhaust the stack', () => {
    expect(() => writeRequest.decode(Buffer.alloc(1_000_000, 0x0b))).toThrow(MalformedMessage)
  })
})

describe('hand-written encoders write what protobufjs reads', () => {
  test('FindMissingBlobsResponse', () => {
    fc.assert(
      fc.property(fc.array(digest, { maxLength: 20 }), (digests) => {
        const bytes = encodeFindMissingResponse(
          digests.map(({ hash, sizeBytes }) => ({ fn: 'sha256', hash, size: sizeBytes })),
        )
        const reference = re.FindMissingBlobsResponse.encode({ missingBlobDigests: digests }).finish()
        expect(hex(bytes)).toBe(hex(reference))
      }),
    )
  })

  test('ReadResponse and WriteResponse', () => {
    fc.assert(
      fc.property(data, size, (bytes, committedSize) => {
        expect(hex(Buffer.concat([encodeReadHead(bytes.length), bytes]))).toBe(
          hex(bytestream.ReadResponse.encode({ data: bytes }).finish()),
        )
        expect(bytestream.WriteResponse.decode(encodeWriteResponse(committedSize)).committedSize).toBe(committedSize)
      }),
    )
    expect(bytestream.WriteResponse.decode(encodeWriteResponse(-1)).committedSize).toBe(-1)
  })

  test('batch responses', () => {
    const answer = fc.record({ digest, data, compressor: fc.nat(3), status: fc.boolean() })
    const status = { code: 3, message: 'no' }
    fc.assert(
      fc.property(fc.array(answer, { maxLength: 10 }), (answers) => {
        const mine = answers.map((each) => ({
          digest: { hash: each.digest.hash, size: each.digest.sizeBytes },
          data: each.data,
          compressor: each.compressor,
          ...(each.status ? { status: Buffer.from('08031a00', 'hex').subarray(0, 2) } : {}),
        }))
        const code = { code: status.code }
        const read = answers.map((each) => ({ ...each, status: each.status ? code : {} }))
        expect(hex(encodeBatchReadResponse(mine))).toBe(
          hex(re.BatchReadBlobsResponse.encode({ responses: read }).finish()),
        )
        const updated = read.map((each) => ({ digest: each.digest, status: each.status }))
        expect(hex(encodeBatchUpdateResponse(mine))).toBe(
          hex(re.BatchUpdateBlobsResponse.encode({ responses: updated }).finish()),
        )
      }),
    )
  })
})

function check<T>(
  message: fc.Arbitrary<T>,
  type: { encode(message: T): { finish(): Uint8Array } },
  compare: (bytes: Buffer) => void,
): void {
  fc.assert(
    fc.property(message, fc.array(unknownField, { maxLength: 3 }), (value, unknown) => {
      const known = type.encode(value).finish()
      compare(bytesOf(...unknown, known))
      compare(bytesOf(known, ...unknown))
    }),
    { numRuns: 300 },
  )
}

function accepts<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    expect(error).toBeInstanceOf(MalformedMessage)
    return undefined
  }
}

function theirReading(bytes: Buffer): bytestream.WriteRequest | undefined {
  try {
    return bytestream.WriteRequest.decode(bytes)
  } catch (error) {
    expect(error).toBeInstanceOf(Error)
    return undefined
  }
}

function varint(value: number): Buffer {
  const bytes = Buffer.alloc(varintLength(value))
  putVarint(bytes, 0, value)
  return bytes
}

function tag(field: number, wireType: number): Buffer {
  return varint(field * 8 + wireType)
}

function varintField(field: number, value: number): Buffer {
  return bytesOf(tag(field, 0), varint(Math.abs(value)))
}

function bytesOf(...parts: readonly Uint8Array[]): Buffer {
  return Buffer.concat(parts)
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
