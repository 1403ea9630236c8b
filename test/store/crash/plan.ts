import { createHash } from 'node:crypto'

/** One write of a program that is going to be killed: both sides can tell its bytes from its seed. */
export interface PlannedWrite {
  readonly how: 'put' | 'batch' | 'write' | 'result'
  readonly seed: number
  readonly size: number
}

/** Writes in flight at once. */
export const lanes = 24
/** Blobs over this lie in files of their own, so that a crash meets many of them. */
export const smallBytesMax = 100_000

/** The n-th write of a run. Mostly small blobs, as builds have them, with all other kinds between. */
export function plannedWrite(run: number, turn: number): PlannedWrite {
  const dice = createHash('sha256').update(`${run}:${turn}`).digest()
  const seed = run * 100_000 + turn
  const fraction = dice.readUInt32LE(0) / 2 ** 32
  const kind = dice.readUInt8(4) % 16
  if (kind === 0) return { how: 'write', seed, size: smallBytesMax + 1 + Math.floor(fraction * 400_000) }
  if (kind === 1) return { how: 'put', seed, size: smallBytesMax + 1 + Math.floor(fraction * 100_000) }
  if (kind === 2) return { how: 'write', seed, size: 1 + Math.floor(fraction * 60_000) }
  if (kind <= 4) return { how: 'result', seed, size: Math.floor(fraction * 3000) }
  if (kind <= 7) return { how: 'batch', seed, size: 1 + Math.floor(fraction * 4000) }
  return { how: 'put', seed, size: 1 + Math.floor(fraction * 4000) }
}

/** What one who is going to be killed is told. */
export interface Orders {
  readonly path: string
  readonly bytesMax: number
  readonly run: number
}
