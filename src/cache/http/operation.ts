import type { Operation } from '../../wire/door.ts'
import type { Exchange } from '../../wire/http.ts'
import { routeOf } from './routes.ts'

/** What a request asks for, as the table of rights has it; undefined where its path leads nowhere. */
export function operationOf({ path, method }: Pick<Exchange, 'path' | 'method'>): Operation | undefined {
  const route = routeOf(path)
  if (!route) return undefined
  const verb = method === 'HEAD' ? 'GET' : method
  if (route.tool === 'bazel') return { name: `http/bazel-${route.kind} ${verb}`, instance: route.instance }
  return { name: `http/${route.tool} ${verb}`, instance: '' }
}
