import type { StreamSink } from '../stream.ts'

/** The end of what a tool's process wrote to its standard error. */
export interface ToolLog {
  readonly sink: Pick<StreamSink, 'write' | 'small'>
  /** How many bytes were written so far. */
  readonly bytes: number
  /** What was written after this many bytes, as far as it is kept. */
  since(bytes: number): Buffer
}

const keptBytesMax = 64 * 1024

export function createToolLog(): ToolLog {
  let kept: Buffer = Buffer.alloc(0)
  let bytes = 0
  const since = (from: number) => kept.subarray(Math.max(0, kept.length - (bytes - from)))
  return {
    sink: {
      write(piece) {
        bytes += piece.byteLength
        kept = Buffer.concat([kept, piece]).subarray(-keptBytesMax)
        return undefined
      },
      get small() {
        return kept
      },
    },
    get bytes() {
      return bytes
    },
    since,
  }
}
