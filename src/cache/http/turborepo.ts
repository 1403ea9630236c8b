import { type Exchange, HttpError, type HttpFields } from '../../wire/http.ts'
import { answerBytes, answerEmpty } from './answer.ts'
import type { HttpCache } from './cache.ts'
import { contentOf, gather } from './content.ts'
import { getObject, putObject } from './plain.ts'

interface TurborepoPath {
  readonly what: 'artifact' | 'status' | 'events'
  readonly hash: string
}

/** What Turborepo wants back as it sent it: how long a task took, and the signature of its outputs. */
const noteNames = ['x-artifact-duration', 'x-artifact-tag', 'x-artifact-sha', 'x-artifact-dirty-hash']
const noteLengthMax = 1024
/** A report of hits and misses, which is of no use here. */
const eventsBytesMax = 1024 * 1024

const json = { 'content-type': 'application/json' }

/** Turborepo's remote cache: artifacts of each team apart, and two calls that say that it is there. */
export async function turborepo(cache: HttpCache, exchange: Exchange, path: TurborepoPath): Promise<void> {
  const { method } = exchange
  // `turbo --preflight` asks before each request, and follows what it is told.
  if (method === 'OPTIONS') return answerEmpty(exchange, 204, { allow: 'GET, HEAD, PUT, POST' })
  const allowed = { artifact: ['GET', 'HEAD', 'PUT'], status: ['GET', 'HEAD'], events: ['POST'] }[path.what]
  if (!allowed.includes(method))
    throw new HttpError(405, `${method} is not supported for this path`, { allow: allowed.join(', ') })
  if (path.what === 'status') return answerBytes(exchange, Buffer.from('{"status":"enabled"}'), json)
  if (path.what === 'events') {
    await gather(exchange, contentOf(cache.context, exchange, eventsBytesMax), eventsBytesMax)
    return answerEmpty(exchange, 200)
  }
  const key = `${teamOf(exchange)}/${path.hash}`
  if (method === 'PUT') return putObject(cache, exchange, 'turborepo', key, { status: 202, notes: notesOf(exchange) })
  return getObject(cache, exchange, 'turborepo', key, ({ notes }) => notes)
}

/** Teams are named by id or by slug. */
function teamOf({ query }: Exchange): string {
  const parameters = new URLSearchParams(query)
  return encodeURIComponent(parameters.get('teamId') ?? parameters.get('slug') ?? '')
}

function notesOf(exchange: Exchange): HttpFields {
  const notes = noteNames.flatMap((name): [string, string][] => {
    const value = exchange.header(name)
    return value === undefined || value.length > noteLengthMax ? [] : [[name, value]]
  })
  return Object.fromEntries(notes)
}
