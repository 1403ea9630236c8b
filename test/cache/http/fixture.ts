import { ReadableStream } from 'node:stream/web'
import { afterEach } from 'vitest'
import type { RpcServer } from '../../../src/wire/rpc.ts'
import { listen } from '../../../src/wire/server.ts'
import { openCache, type TestCache, type TestCacheOptions } from '../fixture.ts'

export interface HttpAnswer {
  readonly status: number
  readonly body: Buffer
  field(name: string): string | null
}

export interface TestHttpCache extends TestCache {
  readonly address: string
  /** One request by Node's own client. */
  ask(
    method: string,
    path: string,
    request?: { body?: string | Uint8Array | ReadableStream; headers?: Record<string, string> },
  ): Promise<HttpAnswer>
}

const servers: RpcServer[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close()
})

/** A cache over a fresh memory store that listens on a port of its own. */
export async function openHttpCache(options: TestCacheOptions = {}): Promise<TestHttpCache> {
  const cache = openCache(options)
  const server = await listen(cache.services, { address: '127.0.0.1:0', http: cache.http })
  servers.push(server)
  return {
    ...cache,
    address: server.address,
    async ask(method, path, { body, headers = {} } = {}) {
      const answer = await fetch(`http://${server.address}${path}`, {
        method,
        headers,
        ...(body !== undefined && { body, duplex: 'half' }),
      } as RequestInit)
      const bytes = Buffer.from(await answer.arrayBuffer())
      return { status: answer.status, body: bytes, field: (name) => answer.headers.get(name) }
    },
  }
}

/** A body of which the length is not announced. */
export function inChunks(bytes: Uint8Array, chunk = 100_000): ReadableStream {
  return ReadableStream.from(
    (function* () {
      for (let at = 0; at < bytes.length; at += chunk) yield bytes.subarray(at, at + chunk)
    })(),
  )
}
