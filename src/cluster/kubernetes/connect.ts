import { readFile } from 'node:fs/promises'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest, type RequestOptions } from 'node:https'
import type { ApiException, KubeConfig } from '@kubernetes/client-node'
import { type Clock, systemClock } from '../../core/clock.ts'
import { errnoOf, Failure, messageOf } from '../../core/failure.ts'

export interface ConnectOptions {
  /** A file, absolute. */
  readonly kubeconfig: string
  /** A context in it, by name: never the current one. */
  readonly context: string
  readonly clock?: Clock
  /** For a call that meets a server which is away; none by default. */
  readonly patience?: Patience
}

/** How long a call is made again while the API server restarts, is overloaded or cannot be reached. */
export interface Patience {
  readonly msMax: number
  /** Is told what the call waits for. */
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

/** A kind as discovery shows it. */
export interface ApiResource {
  /** The plural, which stands in paths. */
  readonly name: string
  readonly kind: string
  readonly namespaced: boolean
}

/** A cluster's API server, by way of client-node. */
export interface Kubernetes {
  /** Its address, for errors. */
  readonly server: string
  readonly clock: Clock
  readonly patience: Patience
  /** What is known of the server's kinds, by apiVersion (resources.ts). */
  readonly kinds: Map<string, readonly ApiResource[]>
  /** The head of the answer, whatever its status; its body is the message itself. Rejects as node:http does. */
  exchange(request: ApiRequest, signal: AbortSignal): Promise<IncomingMessage>
  /** client-node's own error for a status that is no success. */
  exception(response: IncomingMessage, body: string): ApiException<string>
}

/**
 * Reads a kubeconfig; nothing is sent yet. Loads client-node, which takes a third of a second: no
 * module may import it otherwise.
 * @throws Failure 'not-found' without the file or the context, 'corrupt' when it is no kubeconfig
 */
export async function connectKubernetes(options: ConnectOptions): Promise<Kubernetes> {
  const text = await read(options.kubeconfig)
  const client = await import('@kubernetes/client-node')
  const config = new client.KubeConfig()
  load(config, text, options)
  const cluster = config.getCurrentCluster()
  if (!cluster) throw unknownContext(options)
  return {
    server: cluster.server,
    clock: options.clock ?? systemClock,
    patience: options.patience ?? { msMax: 0 },
    kinds: new Map(),
    exchange: (request, signal) => exchange(config, cluster.server, request, signal),
    exception: (response, body) =>
      new client.ApiException(response.statusCode ?? 0, 'the API server refused a call', body, {}),
  }
}

/** Over HTTP/1.1, a connection for each: a watch that is cut ends no other call. */
async function exchange(
  config: KubeConfig,
  server: string,
  { method = 'GET', path, query = {}, accept = 'application/json', body }: ApiRequest,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const url = new URL(server + path)
  for (const [key, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(key, String(value))
  const headers = { accept, ...(body && { 'content-type': body.type, 'content-length': Buffer.byteLength(body.text) }) }
  const options: RequestOptions = { method, headers, signal }
  await config.applyToHTTPSOptions(options)
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
    const code = errnoOf(cause)
    if (code === undefined) throw cause
    throw new Failure(code === 'ENOENT' ? 'not-found' : 'denied', `cannot read the kubeconfig: ${messageOf(cause)}`, {
      where: file,
      next: ['Run `native up`, which writes it.'],
      cause,
    })
  }
}

function load(config: KubeConfig, text: string, options: ConnectOptions): void {
  try {
    config.loadFromString(text)
  } catch (cause) {
    throw new Failure('corrupt', `not a kubeconfig: ${messageOf(cause)}`, {
      where: options.kubeconfig,
      next: ['Run `native up`, which writes it anew.'],
      cause,
    })
  }
  if (!config.getContexts().some(({ name }) => name === options.context)) throw unknownContext(options)
  config.setCurrentContext(options.context)
}

function unknownContext({ kubeconfig, context }: ConnectOptions): Failure {
  return new Failure('not-found', `there is no usable context "${context}" in the kubeconfig`, {
    where: kubeconfig,
    next: ['Run `native up`, which writes it.'],
  })
}
