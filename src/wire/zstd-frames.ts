import { Failure } from '../core/failure.ts'

/**
 * The largest window of memory that a frame may ask for: what RFC 8878 (section 3.1.1.1.2) recommends every decoder to
 * support, and small enough for many concurrent streams.
 */
export const windowBytesMax = 8 * 1024 * 1024
/** Frames per blob: each costs a decoder call, however little is in it. */
const framesMax = 10_000

const frameMagic = Buffer.from([0x28, 0xb5, 0x2f, 0xfd])
/** The first of the sixteen magic numbers of skippable frames (section 3.1.2). */
const skippableMagic = 0x184d2a50
const magicBytes = 4
/** One empty segment: its last block, which is raw, has no bytes. */
const emptyFrame = Buffer.from([...frameMagic, 0x20, 0, 1, 0, 0])
const blockHeadBytes = 3
/** A block that repeats one byte contains only that byte (section 3.1.1.2.2). */
const runLengthBlock = 1
const reservedBlock = 3
/** Bytes of dictionary id and content size, by their flags (section 3.1.1.1.1). */
const dictionaryBytes = [0, 1, 2, 4]
const contentSizeBytes = [0, 2, 4, 8]
const headBytesMax = 14

const State = { MAGIC: 0, SKIP_SIZE: 1, SKIP: 2, HEAD: 3, BLOCK_HEAD: 4, BLOCK: 5, CHECKSUM: 6 } as const
type State = (typeof State)[keyof typeof State]

/**
 * Finds the frames in a zstd stream, which may be several, some of them skippable; the decoder behind it stops at the
 * end of the first. Checks what each one asks for before the decoder sees it.
 */
export class ZstdFrames {
  #state: State = State.MAGIC
  /** The collected part of a magic number, size or head. */
  readonly #held = Buffer.alloc(headBytesMax)
  #filled = 0
  /** Bytes to collect, or remaining bytes of a block or skipped frame. */
  #left = magicBytes
  #lastBlock = false
  #checksum = false
  #frames = 0
  #decoded = false

  /**
   * The stream has ended.
   * @returns what the decoder still needs: an empty frame if all were skipped
   * @throws Failure 'invalid' if it may not end here
   */
  end(): readonly Uint8Array[] {
    if (this.#state !== State.MAGIC || this.#filled > 0)
      throw invalid('the compressed bytes end in the middle of a zstd frame')
    if (this.#frames === 0) throw invalid('the compressed bytes hold no zstd frame')
    return this.#decoded ? [] : [emptyFrame]
  }

  /**
   * The parts of a chunk for the decoder, each from one frame.
   * @throws Failure 'invalid' for what is not a frame, or one that asks for too much
   */
  *parts(chunk: Uint8Array): Generator<Uint8Array> {
    let from = this.#state >= State.HEAD ? 0 : -1
    let at = 0
    while (at < chunk.length) {
      const count = Math.min(this.#left, chunk.length - at)
      const collects = this.#state !== State.SKIP && this.#state !== State.BLOCK && this.#state !== State.CHECKSUM
      if (collects) {
        this.#held.set(chunk.subarray(at, at + count), this.#filled)
        this.#filled += count
      }
      at += count
      this.#left -= count
      if (this.#left > 0) break
      const before = this.#state
      this.#advance()
      if (before === State.MAGIC && this.#state === State.HEAD) {
        // If the magic number arrived in pieces, its beginning is not in this chunk.
        if (at < magicBytes) yield frameMagic
        from = at < magicBytes ? at : at - magicBytes
      } else if (before >= State.HEAD && this.#state === State.MAGIC) {
        yield chunk.subarray(from, at)
        from = -1
      }
    }
    if (from >= 0 && from < chunk.length) yield chunk.subarray(from)
  }

  #advance(): void {
    if (this.#state === State.MAGIC) this.#takeMagic()
    else if (this.#state === State.SKIP_SIZE) this.#expect(State.SKIP, this.#held.readUInt32LE(0))
    else if (this.#state === State.HEAD) this.#takeHead()
    else if (this.#state === State.BLOCK_HEAD) this.#takeBlockHead()
    else if (this.#state === State.BLOCK) this.#expectBlock()
    else this.#expect(State.MAGIC, magicBytes)
  }

  #takeMagic(): void {
    const magic = this.#held.readUInt32LE(0)
    this.#frames += 1
    if (this.#frames > framesMax) throw invalid(`the compressed bytes are more than ${framesMax} zstd frames`)
    if (magic === frameMagic.readUInt32LE(0)) {
      this.#decoded = true
      this.#expect(State.HEAD, 1)
    } else if ((magic & 0xfffffff0) >>> 0 === skippableMagic) this.#expect(State.SKIP_SIZE, magicBytes)
    else if (this.#frames === 1) throw invalid('the compressed bytes are not a zstd frame')
    else throw invalid('the bytes after a zstd frame are not another frame')
  }

  /** Its first byte says how long it is. */
  #takeHead(): void {
    const descriptor = this.#held[0] ?? 0
    const single = (descriptor & 0x20) !== 0
    const dictionary = dictionaryBytes[descriptor & 3] ?? 0
    const sizeFlag = descriptor >> 6
    const size = sizeFlag === 0 && single ? 1 : (contentSizeBytes[sizeFlag] ?? 0)
    const length = 1 + (single ? 0 : 1) + dictionary + size
    if (this.#filled < length) {
      this.#left = length - this.#filled
      return
    }
    this.#checksum = (descriptor & 4) !== 0
    this.#lastBlock = false
    const window = single ? contentSize(this.#held.subarray(length - size, length)) : windowSize(this.#held[1] ?? 0)
    if (window > windowBytesMax) throw windowTooLarge(window)
    if (this.#held.subarray(length - size - dictionary, length - size).some((byte) => byte !== 0))
      throw invalid('a zstd frame needs a dictionary, and there is none')
    this.#expect(State.BLOCK_HEAD, blockHeadBytes)
  }

  #takeBlockHead(): void {
    const head = this.#held.readUIntLE(0, blockHeadBytes)
    const type = (head >> 1) & 3
    if (type === reservedBlock) throw invalid('a zstd frame has a block of no known type')
    this.#lastBlock = (head & 1) !== 0
    this.#expect(State.BLOCK, type === runLengthBlock ? 1 : head >> 3)
  }

  #expectBlock(): void {
    if (!this.#lastBlock) this.#expect(State.BLOCK_HEAD, blockHeadBytes)
    else if (this.#checksum) this.#expect(State.CHECKSUM, 4)
    else this.#expect(State.MAGIC, magicBytes)
  }

  #expect(state: State, bytes: number): void {
    this.#state = state
    this.#filled = 0
    this.#left = bytes
    if (bytes === 0) this.#advance()
  }
}

function contentSize(bytes: Buffer): number {
  if (bytes.length === 8) return Number(bytes.readBigUInt64LE(0))
  const size = bytes.length === 0 ? 0 : bytes.readUIntLE(0, bytes.length)
  return bytes.length === 2 ? size + 256 : size
}

/** Section 3.1.1.1.2. */
function windowSize(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >> 3))
  return base + (base / 8) * (descriptor & 7)
}

function windowTooLarge(bytes: number): Failure {
  return new Failure(
    'invalid',
    `the zstd frame's window of ${bytes} bytes is larger than the maximum of ${windowBytesMax}`,
    { next: ['Compress with a smaller window: a level up to 19, or --long=23 at the most.'] },
  )
}

function invalid(message: string): Failure {
  return new Failure('invalid', message)
}
