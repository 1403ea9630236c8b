import type { BazelPath } from './bazel.ts'

/** Its hashes are as long as those of SHA-256: a path has to name it, as resource names of gRPC do. */
const namedFunction = 'blake3'

/** Who asks for what, as the path tells. */
export type Route =
  | ({ readonly tool: 'bazel' } & BazelPath)
  | { readonly tool: 'ccache' | 'gradle' | 'sccache'; readonly key: string }
  | { readonly tool: 'turborepo'; readonly what: 'artifact' | 'status' | 'events'; readonly hash: string }
  | { readonly tool: 'nx'; readonly hash: string }
  | { readonly tool: 'nobody' }

/**
 * Reads a path. Names of tools come first: an instance cannot be called as one of them over HTTP.
 * @returns undefined for one that leads nowhere
 */
export function routeOf(path: string): Route | undefined {
  if (!path.startsWith('/')) return undefined
  const segments = path.slice(1).split('/')
  const [first = '', second = '', third = '', ...more] = segments
  if (path === '/') return { tool: 'nobody' }
  if (first === 'ccache' || first === 'gradle' || first === 'sccache') {
    const key = segments.slice(1).join('/')
    return key === '' && first !== 'sccache' ? undefined : { tool: first, key }
  }
  const single = third !== '' && more.length === 0
  if (first === 'v8' && second === 'artifacts' && single) {
    const what = third === 'status' || third === 'events' ? third : 'artifact'
    return { tool: 'turborepo', what, hash: third }
  }
  if (first === 'v1' && second === 'cache' && single) return { tool: 'nx', hash: third }
  return bazelPath(segments)
}

function bazelPath(segments: readonly string[]): Route | undefined {
  const [kind, hash = ''] = segments.slice(-2)
  const before = segments.slice(0, -2)
  if ((kind !== 'cas' && kind !== 'ac') || before.includes('')) return undefined
  const named = before.at(-1) === namedFunction
  const instance = (named ? before.slice(0, -1) : before).join('/')
  return { tool: 'bazel', kind, hash, instance, ...(named && { fn: namedFunction }) }
}
