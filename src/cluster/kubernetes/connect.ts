import { readFile } from 'node:fs/promises'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest, type RequestOptions } from 'node:https'
import type { ApiException } from '@kubernetes/client-node'
import { type Clock, systemClock } from '../../core/clock.ts'
import { Failure, messageOf } from '../../core/failure.ts'
import { systemFailure } from '../../host/system-errors.ts'
import { type Access, plainAccess } from './plain-access.ts'

export interface ConnectOptions {
  /** A file, absolute. */
  readonly kubeconfig: string
  /** A context in it, by name: never the current one. */
  readonly context: string
  readonly clock?: Clock
  /** For a call to a server that is away; none by default. */
  readonly patience?: Patience
}

/** How long a call is retried while the API server restarts, is overloaded or cannot be reached. */
export interface Patience {
  readonly msMax: number
  /** Called with what the call waits for. */
  say?(text: string): void
}

/** One request; `call.ts` gives it a deadline. */
export interface ApiRequest {
  readonly method?: 'GET' | 'PATCH' | 'DELETE'
  /** With its leading slash. */
  readonly path: string
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>
  readonly accept?: string
  readonly body?: { readonly type: string; readonly text: string }
}

/** A kind as reported by discovery. */
export interface ApiResource {
  /** The plural, as used in paths. */
  readonly name: string
  readonly kind: string
  readonly namespaced: boolean
}

/** A cluster's API server, through client-node. */
export interface Kubernetes {
  /** Its address, for errors. */
  readonly server: string
  readonly clock: Clock
  readonly patience: Patience
  /** The server's known kinds, by apiVersion (resources.ts). */
  readonly kinds: Map<string, readonly ApiResource[]>
  /** The answer's head, whatever its status; the body is the message itself. Rejects like node:http. */
  exchange(request: ApiRequest, signal: AbortSignal): Promise<IncomingMessage>
  /** client-node's own error for an unsuccessful status. */
  exception(response: IncomingMessage, body: string): Promise<ApiException<string>>
}

/**
 * Reads a kubeconfig; nothing is sent yet. client-node takes a third of a second to load, so no other module may import
 * it, and here it is only needed for errors and for anything but the plain certificate pair that kind writes.
 * @throws Failure 'not-found' without the file or the context, 'corrupt' when it is not a kubeconfig
 */
export async function connectKubernetes(options: ConnectOptions): Promise<Kubernetes> {
  const text = await read(options.kubeconfig)
  const access = plainAccess(text, options.context) ?? (await anyAccess(text, options))
  return {
    server: access.server,
    clock: options.clock ?? systemClock,
    patience: options.patience ?? { msMax: 0 },
    kinds: new Map(),
    exchange: (request, signal) => exchange(access, request, signal),
    async exception(response, body) {
      const { ApiException } = await import('@kubernetes/client-node')
      return new ApiException(response.statusCode ?? 0, 'the API server refused a call', body, {})
    },
  }
}

/** Over HTTP/1.1, one connection per call, so that a watch that is cut ends no other call. */
async function exchange(
  { server, authorize }: Access,
  { method = 'GET', path, query = {}, accept = 'application/json', body }: ApiRequest,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const url = new URL(server + path)
  for (const [key, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(key, String(value))
  const headers = { accept, ...(body && { 'content-type': body.type, 'content-length': Buffer.byteLength(body.text) }) }
  const options: RequestOptions = { method, headers, signal }
  await authorize(options)
  return new Promise((resolve, reject) => {
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest
    const request = send(url, options, resolve)
    request.on('error', reject)
    request.end(body?.text)
  })
}

async function read(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    throw systemFailure(cause, {
      doing: 'cannot read the kubeconfig',
      where: file,
      next: ['Run `native up`, which writes it.'],
    })
  }
}

/** Through client-node, which supports every kind of credentials. */
async function anyAccess(text: string, options: ConnectOptions): Promise<Access> {
  const { KubeConfig } = await import('@kubernetes/client-node')
  const config = new KubeConfig()
  try {
    config.loadFromString(text)
  } catch (cause) {
    throw new Failure('corrupt', `not a kubeconfig: ${messageOf(cause)}`, {
      where: options.kubeconfig,
      next: ['Run `native up`, which writes it again.'],
      cause,
    })
  }
  if (!config.getContexts().some(({ name }) => name === options.context)) throw unknownContext(options)
  config.setCurrentContext(options.context)
  const cluster = config.getCurrentCluster()
  if (!cluster) throw unknownContext(options)
  return { server: cluster.server, authorize: (request) => config.applyToHTTPSOptions(request) }
}

function unknownContext({ kubeconfig, context }: ConnectOptions): Failure {
  return new Failure('not-found', `there is no usable context "${context}" in the kubeconfig`, {
    where: kubeconfig,
    next: ['Run `native up`, which writes it.'],
  })
}
