import { Failure } from '../core/failure.ts'

/** What may be gone, or be something else, is shown as not known. */
export async function orNothing<T>(asked: Promise<T>, ...also: readonly string[]): Promise<T | undefined> {
  try {
    return await asked
  } catch (error) {
    if (error instanceof Failure && ['not-found', 'invalid', ...also].includes(error.kind)) return undefined
    throw error
  }
}
