import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import type { ClientRequest, IncomingMessage, RequestOptions } from 'node:http'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { ExpansionLimits } from '../../archive/expand.ts'
import { errnoOf, Failure, messageOf } from '../../core/failure.ts'
import { http, https } from './node-http.ts'

export interface DaemonOptions {
  /** DOCKER_HOST, or nothing for the usual socket; unix:// and tcp:// are known. */
  readonly host: string | undefined
  /** Whether tcp:// is TLS, and with which certificates: DOCKER_TLS_VERIFY, DOCKER_CERT_PATH, DOCKER_CONFIG, HOME. */
  readonly env: NodeJS.ProcessEnv
  readonly temporary: string
  readonly signal: AbortSignal
  /** How far layers may expand that the daemon could not load compressed. */
  readonly expansion?: ExpansionLimits | undefined
  /** Milliseconds of silence after which the daemon is pinged. */
  readonly silenceMsMax?: number
}

/** A daemon's response. */
export interface DaemonAnswer {
  readonly status: number
  /**
   * The lines of its body, bounded.
   * @throws Failure 'unavailable' when the daemon goes away
   */
  lines(): AsyncGenerator<string, void, undefined>
  /** @throws as lines do */
  readonly body: AsyncIterable<Uint8Array>
  /** Settles when sending ends; a response that arrived is not discarded if this fails. */
  readonly sent: Promise<void>
  /** Aborts the call at any point. */
  close(): void
}

const usualHost = 'unix:///var/run/docker.sock'
const silenceMsUsual = 60_000
const lineBytesMax = 1024 * 1024
const sending = { 'content-type': 'application/x-tar', expect: '100-continue' }
/** For servers that do not support Expect: 100-continue; the same as curl's. */
const continueMsMax = 1000

/**
 * Calls a docker daemon.
 * @param archive a file to send
 * @throws Failure 'unavailable', 'denied', 'deadline' when it does not even answer a ping, 'unimplemented' for an
 *   unsupported host, 'not-found' without the certificates that it requires
 */
export async function callDaemon(
  options: DaemonOptions,
  method: string,
  path: string,
  archive?: string,
): Promise<DaemonAnswer> {
  const place = await address(options)
  const outgoing = place.request({
    ...place.options,
    method,
    path,
    signal: options.signal,
    headers: { ...place.options.headers, ...(archive ? sending : {}) },
  })
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.once('response', resolve)
    outgoing.on('error', reject)
  })
  outgoing.once('socket', (socket) => {
    const silence = options.silenceMsMax ?? silenceMsUsual
    socket.setTimeout(silence)
    // A daemon that writes a large image to a slow disk is silent for minutes.
    socket.on('timeout', () => {
      ping(place, options).then(
        () => socket.setTimeout(silence),
        (error: unknown) => outgoing.destroy(error as Error),
      )
    })
  })
  const sent = send(outgoing, archive).catch((error: unknown) => {
    throw broken(error, options)
  })
  sent.catch(() => undefined)
  try {
    const answer = await answered
    // Its readers get the error; one after the last of them has left must not end the process.
    answer.on('error', () => undefined)
    const body = believed(answer, options)
    const status = answer.statusCode ?? 0
    return { status, body, lines: () => linesOf(body), sent, close: () => void outgoing.destroy() }
  } catch (error) {
    throw broken(error, options)
  }
}

/**
 * Sends when the daemon is ready. If it refuses, it says so first, and would close the connection on data sent
 * nevertheless, losing its response.
 */
async function send(outgoing: ClientRequest, archive: string | undefined): Promise<void> {
  if (archive === undefined) return void outgoing.end()
  outgoing.flushHeaders()
  const isAnswered = await new Promise<boolean>((resolve) => {
    const timer = setTimeout(() => resolve(false), continueMsMax)
    const tell = (answered: boolean) => () => {
      clearTimeout(timer)
      resolve(answered)
    }
    outgoing.once('continue', tell(false)).once('response', tell(true)).once('close', tell(true))
  })
  if (isAnswered) throw new Failure('unavailable', 'the docker daemon refused the image')
  await pipeline(createReadStream(archive), outgoing)
}

/** Succeeds if the daemon answers anything. */
async function ping({ request, options: place }: Place, options: DaemonOptions): Promise<void> {
  const ms = options.silenceMsMax ?? silenceMsUsual
  const silence = new Failure('deadline', `the docker daemon has not answered for ${(2 * ms) / 1000} s`, {
    where: options.host ?? usualHost,
  })
  await new Promise<void>((resolve, reject) => {
    const asked = request({ ...place, path: '/_ping', timeout: ms })
    asked.once('response', (answer) => {
      answer.resume()
      resolve()
    })
    asked.once('timeout', () => asked.destroy(silence))
    asked.once('error', reject)
    asked.end()
  })
}

interface Place {
  readonly request: typeof http.request
  readonly options: RequestOptions
}

async function address({ host = usualHost, env }: DaemonOptions): Promise<Place> {
  // docker uses no TLS over a socket, whatever DOCKER_TLS_VERIFY says.
  if (host.startsWith('unix://')) {
    const socketPath = host.slice('unix://'.length)
    return { request: http.request, options: { agent: false, socketPath, headers: { host: 'docker' } } }
  }
  const url = URL.canParse(host) ? new URL(host) : undefined
  const isTls = Boolean(env['DOCKER_TLS_VERIFY'])
  const options = { agent: false, host: url?.hostname.replace(/^\[|\]$/g, '') }
  if (url?.protocol === 'tcp:' && isTls)
    return { request: https().request, options: { ...options, port: url.port || 2376, ...(await certificates(env)) } }
  if ((url?.protocol === 'tcp:' || url?.protocol === 'http:') && !isTls)
    return { request: http.request, options: { ...options, port: url.port || 2375 } }
  throw new Failure('unimplemented', `a docker daemon at "${host.slice(0, 100)}" cannot be reached`, {
    where: 'DOCKER_HOST',
    next: ['unix:// and tcp:// are supported; otherwise use docker save and docker-archive:.'],
  })
}

/** What docker's own client reads from DOCKER_CERT_PATH: always the CA, and the client certificate if there is one. */
async function certificates(env: NodeJS.ProcessEnv): Promise<{ ca: Buffer; cert?: Buffer; key?: Buffer }> {
  const folder = env['DOCKER_CERT_PATH'] || env['DOCKER_CONFIG'] || join(env['HOME'] ?? '', '.docker')
  const [ca, cert, key] = await Promise.all(
    ['ca.pem', 'cert.pem', 'key.pem'].map((name) =>
      readFile(join(folder, name)).catch((cause: unknown) => {
        if (name !== 'ca.pem' && errnoOf(cause) === 'ENOENT') return undefined
        throw new Failure('not-found', `DOCKER_TLS_VERIFY is set, but ${name} cannot be read`, {
          where: join(folder, name),
          next: ['Set DOCKER_CERT_PATH to the folder that has ca.pem, cert.pem and key.pem.'],
          cause,
        })
      }),
    ),
  )
  return { ca: ca ?? Buffer.alloc(0), ...(cert && key ? { cert, key } : {}) }
}

/** The response's body; fails if the daemon goes away. */
async function* believed(answer: IncomingMessage, options: DaemonOptions): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    for await (const piece of answer) yield piece as Uint8Array
  } catch (error) {
    throw broken(error, options)
  }
}

function broken(error: unknown, options: DaemonOptions): unknown {
  if (options.signal.aborted) return options.signal.reason
  if (error instanceof Failure) return error
  const where = options.host ?? usualHost
  const code = errnoOf(error)
  if (code === 'EACCES')
    return new Failure('denied', 'this user may not talk to the docker daemon', {
      where,
      next: ['Add the user to the group docker, or run as root.'],
      cause: error,
    })
  const isBrokenOff = code === 'ECONNRESET' || code === 'EPIPE' || code === 'ERR_STREAM_PREMATURE_CLOSE'
  const what = isBrokenOff ? 'closed the connection' : `cannot be reached: ${messageOf(error)}`
  return new Failure('unavailable', `the docker daemon ${what}`, {
    where,
    next: [
      isBrokenOff
        ? 'Look at its log (journalctl --unit docker), and try again.'
        : 'Start docker, or set DOCKER_HOST; archives and layouts (oci:, docker-archive:) need no daemon.',
    ],
    cause: error,
  })
}

async function* linesOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<string, void, undefined> {
  let rest = ''
  const decoder = new TextDecoder()
  for await (const chunk of body) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = (parts.pop() ?? '').slice(0, lineBytesMax)
    yield* parts
  }
  if (rest !== '') yield rest
}
