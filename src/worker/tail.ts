import { closeSync, openSync, readSync } from 'node:fs'
import type { Clock } from '../core/clock.ts'
import { errnoOf } from '../core/failure.ts'

/** How often a file is looked at; an action that ends sooner costs nothing. */
const everyMs = 250
const pieceBytes = 64 * 1024
/** What one stream of one action may send while it runs; the result has all of it. */
const followedBytesMax = 1024 * 1024

export interface Tail {
  /** Hands on what is left, if anything was due yet, and stops. */
  finish(): void
}

/** Hands on what a file gains, from its beginning on, up to 1 MiB in all. */
export function followFile(path: string, clock: Clock, onData: (data: Uint8Array) => void): Tail {
  let file: number | undefined
  let at = 0
  let looked = false
  const look = () => {
    looked = true
    file ??= open(path)
    while (file !== undefined && at < followedBytesMax) {
      const piece = Buffer.allocUnsafe(Math.min(pieceBytes, followedBytesMax - at))
      const read = readSync(file, piece, 0, piece.length, at)
      if (read === 0) return
      at += read
      onData(piece.subarray(0, read))
    }
  }
  const tick = () => {
    look()
    if (at < followedBytesMax) cancel = clock.after(everyMs, tick)
  }
  let cancel = clock.after(everyMs, tick)
  return {
    finish() {
      cancel()
      if (looked) look()
      if (file !== undefined) closeSync(file)
    },
  }
}

function open(path: string): number | undefined {
  try {
    return openSync(path, 'r')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  }
}
