import { Failure } from '../core/failure.ts'
import { isDiskFull } from '../host/system-errors.ts'

/** Frees disk space by removing what is not in use; false when there is nothing to remove. */
export type MakeRoom = (bytes: number) => boolean

/** The least that is worth freeing: folders take space too. */
const freedBytesMin = 1024 * 1024

/**
 * Retries work after making room, as long as it fails for lack of disk space and something can be freed.
 * @param bytes how much it writes
 * @param work leaves nothing behind when it fails
 * @throws Failure 'exhausted' when nothing is left to free; else what the work throws
 */
export async function withRoom<T>(makeRoom: MakeRoom, bytes: number, work: () => T | Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work()
    } catch (error) {
      freeRoom(makeRoom, bytes, error)
    }
  }
}

/** The same for synchronous work. */
export function withRoomSync<T>(makeRoom: MakeRoom, bytes: number, work: () => T): T {
  for (;;) {
    try {
      return work()
    } catch (error) {
      freeRoom(makeRoom, bytes, error)
    }
  }
}

function freeRoom(makeRoom: MakeRoom, bytes: number, error: unknown): void {
  if (error instanceof Failure || !isDiskFull(error)) throw error
  if (!makeRoom(Math.max(bytes, freedBytesMin)))
    throw new Failure('exhausted', "the worker's disk is full, and running actions use all of its cached inputs", {
      next: ["Free up space on the disk that holds the worker's directory."],
      cause: error,
    })
}
