import { type Exchange, HttpError, type HttpHandler } from '../../wire/http.ts'
import { toHttpError } from '../../wire/http-status.ts'
import { answerBytes } from './answer.ts'
import { bazel } from './bazel.ts'
import type { HttpCache } from './cache.ts'
import { refusePages } from './guard.ts'
import { nx } from './nx.ts'
import { plain } from './plain.ts'
import { type Route, routeOf } from './routes.ts'
import { turborepo } from './turborepo.ts'
import { webdav } from './webdav.ts'

/** The longest path, in characters: keys are part of it. */
const pathLengthMax = 1024

const greeting = Buffer.from(
  'This is the cache of `native`. Over HTTP it speaks to Bazel (/cas, /ac), ccache (/ccache), sccache (/sccache),\n' +
    'Gradle (/gradle), Turborepo (/v8/artifacts) and Nx (/v1/cache); over gRPC, the Remote Execution API.\n',
)
const text = { 'content-type': 'text/plain; charset=utf-8' }

/** What each tool may do; HEAD stands wherever GET does. */
const methodsOf: Readonly<Record<Route['tool'], readonly string[]>> = {
  bazel: ['GET', 'HEAD', 'PUT'],
  ccache: ['GET', 'HEAD', 'PUT', 'DELETE'],
  gradle: ['GET', 'HEAD', 'PUT'],
  sccache: ['GET', 'HEAD', 'PUT', 'DELETE', 'PROPFIND', 'MKCOL', 'OPTIONS'],
  turborepo: ['GET', 'HEAD', 'PUT', 'POST', 'OPTIONS'],
  nx: ['GET', 'HEAD', 'PUT'],
  nobody: ['GET', 'HEAD'],
}
/** Other methods are counted as one, since a client may call one whatever it likes. */
const countedMethods = new Set(Object.values(methodsOf).flat())

/** Answers the requests of all tools that speak HTTP, and counts them. */
export function httpHandler(cache: HttpCache): HttpHandler {
  const count = ({ method }: Exchange, route: Route | undefined, status: number) =>
    cache.context.counts.http(route?.tool ?? 'nobody', countedMethods.has(method) ? method : 'other', status)
  return async (exchange) => {
    const route = routeOf(exchange.path)
    try {
      await answer(cache, exchange, route)
      count(exchange, route, exchange.status)
    } catch (error) {
      count(exchange, route, toHttpError(error).status)
      throw error
    }
  }
}

async function answer(cache: HttpCache, exchange: Exchange, route: Route | undefined): Promise<void> {
  refusePages(exchange)
  if (exchange.path.length > pathLengthMax) throw new HttpError(414, `a path has at most ${pathLengthMax} characters`)
  if (!route) throw new HttpError(404, 'no supported tool uses this path; GET / lists the paths')
  const allowed = methodsOf[route.tool]
  if (!allowed.includes(exchange.method))
    throw new HttpError(405, `${exchange.method} is not supported for this path`, { allow: allowed.join(', ') })
  switch (route.tool) {
    case 'bazel':
      return bazel(cache, exchange, route)
    case 'ccache':
    case 'gradle':
      return plain(cache, exchange, route.tool, route.key)
    case 'sccache':
      return webdav(cache, exchange, route.key)
    case 'turborepo':
      return turborepo(cache, exchange, route)
    case 'nx':
      return nx(cache, exchange, route.hash)
    case 'nobody':
      return answerBytes(exchange, greeting, text)
  }
}
