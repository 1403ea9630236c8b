import { Failure } from '../core/failure.ts'
import type { ExplanationStore } from '../explain/store.ts'
import type { History } from './history.ts'

/** Keeps explanations in the history. Errors of `get` and `has` are those of History.use. */
export function explanationStore(history: History): ExplanationStore {
  return {
    get: (...asked) => history.use(({ explanations }) => explanations.get(...asked)),
    has: (...asked) => history.use(({ explanations }) => explanations.has(...asked)),
    put(...given) {
      try {
        history.use(({ explanations }) => explanations.put(...given))
      } catch (error) {
        // A full disk, for example: whoever reports events hears of it, and the explanation is made again.
        if (!(error instanceof Failure)) throw error
      }
    },
  }
}
