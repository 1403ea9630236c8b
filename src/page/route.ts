import { Failure } from '../core/failure.ts'
import type { Exchange } from '../wire/http.ts'

/** The parsed address of a request. */
export interface Route {
  /** The path's segments, percent-decoded. */
  readonly parts: readonly string[]
  readonly query: URLSearchParams
}

/** @throws Failure 'invalid' for malformed percent-encoding */
export function routeOf({ path, query }: Pick<Exchange, 'path' | 'query'>): Route {
  return { parts: path.slice(1).split('/').map(decoded), query: new URLSearchParams(query) }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new Failure('invalid', 'the address contains an invalid percent-encoding', { where: text.slice(0, 100) })
  }
}
