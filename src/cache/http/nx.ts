import { type Exchange, HttpError } from '../../wire/http.ts'
import type { HttpCache } from './cache.ts'
import { getObject, putObject } from './plain.ts'

/**
 * Nx's self-hosted cache. What is stored under a hash stays: the protocol answers 409 to a second
 * one, so that no build changes what another has already used.
 */
export async function nx(cache: HttpCache, exchange: Exchange, hash: string): Promise<void> {
  if (exchange.method !== 'PUT') return getObject(cache, exchange, 'nx', hash)
  if (await cache.objects.find('nx', hash)) throw new HttpError(409, 'there is a result of this hash already')
  await putObject(cache, exchange, 'nx', hash)
}
