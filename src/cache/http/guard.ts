import { type Exchange, HttpError } from '../../wire/http.ts'
import { isOwnHost } from '../../wire/own-host.ts'

/**
 * Refuses web pages. A page that a browser on this machine shows may send requests to any port of
 * the machine, as the very user who browses; a cache that took them would give and take outputs.
 * Browsers name the page's origin with all that could write. A page whose own name leads to this
 * machine (DNS rebinding) needs no such thing to read, but comes under that name.
 * @throws HttpError 403
 */
export function refusePages(exchange: Exchange): void {
  if (exchange.header('origin') !== undefined || exchange.header('sec-fetch-site') !== undefined)
    throw new HttpError(403, 'this cache is for tools: it does not answer web pages')
  if (exchange.isLocal && !isOwnHost(exchange.header('host') ?? ''))
    throw new HttpError(
      403,
      'use localhost or an IP address: any other name could be a web page in a browser on this machine',
    )
}
