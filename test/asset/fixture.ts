import type { IncomingMessage, RequestListener, Server } from 'node:http'
import { createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { afterEach } from 'vitest'
import { type AssetOptions, createAssets } from '../../src/asset/services.ts'
import { asset, rpc } from '../../src/wire/proto.ts'
import type { CallOptions, Channel, RpcError } from '../../src/wire/rpc.ts'
import { call, openCache, type TestCache, type TestCacheOptions } from '../cache/fixture.ts'
import { memoryChannel } from '../fixture/memory-channel.ts'
import { quietLog } from '../fixture/quiet-log.ts'

const fetchService = 'build.bazel.remote.asset.v1.Fetch'
const pushService = 'build.bazel.remote.asset.v1.Push'

export interface TestAssets extends TestCache {
  readonly assets: Channel
  closeAssets(): Promise<void>
  fetchBlob(request: asset.FetchBlobRequest.$Properties, options?: CallOptions): Promise<asset.FetchBlobResponse>
  fetchDirectory(request: asset.FetchDirectoryRequest.$Properties): Promise<asset.FetchDirectoryResponse>
  pushBlob(request: asset.PushBlobRequest.$Properties): Promise<unknown>
  pushDirectory(request: asset.PushDirectoryRequest.$Properties): Promise<unknown>
}

/** Assets over a fresh cache in memory; servers of this machine may be asked. */
export function openAssets(options: Partial<AssetOptions> & TestCacheOptions = {}): TestAssets {
  const cache = openCache(options)
  const { services, close } = createAssets({
    cache: cache.holdings,
    instances: new Set(['', 'main']),
    fetchEnabled: true,
    allow: ['127.0.0.1', 'localhost'],
    timeouts: { defaultMs: 60_000, maxMs: 600_000 },
    log: quietLog,
    metrics: cache.metrics,
    clock: cache.clock,
    ...options,
  })
  const assets = memoryChannel(services)
  return {
    ...cache,
    assets,
    closeAssets: close,
    async fetchBlob(request, callOptions) {
      const bytes = asset.FetchBlobRequest.encode(request).finish()
      return asset.FetchBlobResponse.decode(await assets.unary(`${fetchService}/FetchBlob`, bytes, callOptions))
    },
    fetchDirectory: (request) =>
      call(
        assets,
        `${fetchService}/FetchDirectory`,
        asset.FetchDirectoryRequest,
        request,
        asset.FetchDirectoryResponse,
      ),
    pushBlob: (request) =>
      call(assets, `${pushService}/PushBlob`, asset.PushBlobRequest, request, asset.PushBlobResponse),
    pushDirectory: (request) =>
      call(assets, `${pushService}/PushDirectory`, asset.PushDirectoryRequest, request, asset.PushDirectoryResponse),
  }
}

const servers: Server[] = []
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.close()
    server.closeAllConnections()
  }
})

export interface TestOrigin {
  /** `http://127.0.0.1:PORT` */
  readonly url: string
  /** Requests as they came. */
  readonly asked: IncomingMessage[]
  close(): void
}

/** A server of HTTP on this machine, or of HTTPS with a certificate. */
export async function openOrigin(
  answer: RequestListener,
  tls?: { readonly cert: string; readonly key: string },
): Promise<TestOrigin> {
  const asked: IncomingMessage[] = []
  const listener: RequestListener = (request, response) => {
    asked.push(request)
    answer(request, response)
  }
  const server = tls ? createTlsServer(tls, listener) : createServer(listener)
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: tls ? `https://localhost:${port}` : `http://127.0.0.1:${port}`,
    asked,
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
}

/** An origin that gives the same bytes for every path. */
export function openFile(bytes: Uint8Array): Promise<TestOrigin> {
  return openOrigin((_request, response) => response.end(bytes))
}

/** The violations of an error's BadRequest. */
export function violationsOf({ details }: RpcError): { field: string; description: string }[] {
  const found = details.find(({ type_url }) => type_url.endsWith('/google.rpc.BadRequest'))
  return rpc.BadRequest.decode(found?.value ?? new Uint8Array(0)).fieldViolations.map(({ field, description }) => ({
    field: field ?? '',
    description: description ?? '',
  }))
}

/** Qualifiers as messages have them. */
export function qualifiers(values: Readonly<Record<string, string>>): asset.Qualifier.$Properties[] {
  return Object.entries(values).map(([name, value]) => ({ name, value }))
}
