import { Failure } from '../core/failure.ts'

/** Stores something; when there is no room, makes some and tries once more. */
export interface WithRoom {
  <T>(store: () => Promise<T>): Promise<T>
  /** The same for what may be stored at once. */
  (store: () => undefined | Promise<void>): undefined | Promise<void>
}

/**
 * @param makeRoom ends what holds room and stands still; resolves to how much there was of it
 * @returns fails as `store` does when nothing could be made to give up its room
 */
export function createWithRoom(makeRoom: () => Promise<number>): WithRoom {
  let making: Promise<number> | undefined

  async function again<T>(error: unknown, store: () => undefined | Promise<T>): Promise<T | undefined> {
    if (!(error instanceof Failure && error.kind === 'exhausted')) throw error
    // Whoever finds no room while some is being made waits for it too.
    making ??= makeRoom().finally(() => {
      making = undefined
    })
    if ((await making) === 0) throw error
    return store()
  }

  function withRoom<T>(store: () => undefined | Promise<T>): undefined | Promise<T | undefined> {
    try {
      return store()?.catch((error: unknown) => again(error, store))
    } catch (error) {
      return again(error, store)
    }
  }

  return withRoom as WithRoom
}
