import { Failure } from '../core/failure.ts'

/** Stores something; when there is no room, makes some and tries once more. */
export type WithRoom = <T>(store: () => Promise<T>) => Promise<T>

/**
 * @param makeRoom ends what holds room and stands still; resolves to how much there was of it
 * @returns fails as `store` does when nothing could be made to give up its room
 */
export function createWithRoom(makeRoom: () => Promise<number>): WithRoom {
  let making: Promise<number> | undefined
  return async (store) => {
    try {
      return await store()
    } catch (error) {
      if (!(error instanceof Failure && error.kind === 'exhausted')) throw error
      // Whoever finds no room while some is being made waits for it too.
      making ??= makeRoom().finally(() => {
        making = undefined
      })
      if ((await making) === 0) throw error
      return store()
    }
  }
}
