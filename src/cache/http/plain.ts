import { Failure, withoutStack } from '../../core/failure.ts'
import type { Exchange, HttpFields } from '../../wire/http.ts'
import { answerEmpty, answerPieces } from './answer.ts'
import type { HttpCache } from './cache.ts'
import { contentOf, piecesBytesMax } from './content.ts'
import { storePieces } from './intake.ts'
import type { StoredObject, Tool } from './objects.ts'

/** GET, HEAD, PUT and DELETE of a tool's objects: all that ccache and Gradle want, and what the other protocols rest on. */
export async function plain(cache: HttpCache, exchange: Exchange, tool: Tool, key: string): Promise<void> {
  if (exchange.method === 'PUT') await putObject(cache, exchange, tool, key)
  else if (exchange.method === 'DELETE') await deleteObject(cache, exchange, tool, key)
  else await getObject(cache, exchange, tool, key)
}

/** @param fieldsOf what the tool wants to know beside the bytes */
export async function getObject(
  { context, objects }: HttpCache,
  exchange: Exchange,
  tool: Tool,
  key: string,
  fieldsOf: (object: StoredObject) => HttpFields = () => ({}),
): Promise<void> {
  const object = await objects.find(tool, key)
  if (!object) throw missed(key)
  await answerPieces(context, exchange, object.pieces, fieldsOf(object))
}

export async function putObject(
  cache: HttpCache,
  exchange: Exchange,
  tool: Tool,
  key: string,
  { status = 200, notes = {} }: { status?: number; notes?: StoredObject['notes'] } = {},
): Promise<void> {
  assertWritable(cache)
  const content = contentOf(cache.context, exchange, piecesBytesMax(cache.context))
  const pieces = await storePieces(cache, exchange, content)
  await cache.objects.put(tool, key, pieces, notes)
  answerEmpty(exchange, status)
}

async function deleteObject(cache: HttpCache, exchange: Exchange, tool: Tool, key: string): Promise<void> {
  assertWritable(cache)
  if (!(await cache.objects.delete(tool, key))) throw missed(key)
  answerEmpty(exchange, 204)
}

/** An object leads from a key to outputs as an action result does: where clients may not write those, neither may they this. */
function assertWritable({ context }: HttpCache): void {
  if (context.updateEnabled) return
  throw new Failure('denied', 'this server does not accept outputs from clients', {
    next: ['Set action_cache.update in its configuration.'],
  })
}

function missed(key: string): Failure {
  return withoutStack(() => new Failure('not-found', 'there is no such object', { where: key.slice(0, 200) }))
}
