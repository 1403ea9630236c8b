import { Failure } from '../core/failure.ts'

/** Whatever may be gone, or malformed, is shown as unknown. */
export async function orNothing<T>(asked: Promise<T>, ...also: readonly string[]): Promise<T | undefined> {
  try {
    return await asked
  } catch (error) {
    if (error instanceof Failure && ['not-found', 'invalid', ...also].includes(error.kind)) return undefined
    throw error
  }
}
