import type { Method, Service } from './rpc.ts'

/** All methods by `package.Service/Method`. */
export function methodTable(services: readonly Service[]): ReadonlyMap<string, Method> {
  return new Map(
    services.flatMap(({ name, methods }) =>
      Object.entries(methods).map(([method, value]): [string, Method] => [`${name}/${method}`, value]),
    ),
  )
}
