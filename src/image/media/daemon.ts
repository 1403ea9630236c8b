import { randomUUID } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import type { IncomingMessage, RequestOptions } from 'node:http'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { errnoOf, Failure, messageOf } from '../../core/failure.ts'
import type { Destination, Source } from '../medium.ts'
import { familiarName, type ImageName, imageNameText } from '../name.ts'
import { openDockerArchiveDestination, openDockerArchiveSource } from './archive/docker-archive.ts'
import { http } from './node-http.ts'

export interface DaemonOptions {
  /** DOCKER_HOST, or nothing for the usual socket; unix:// and tcp:// are known. */
  readonly host: string | undefined
  readonly temporary: string
  readonly signal: AbortSignal
}

const usualHost = 'unix:///var/run/docker.sock'
const idleMsMax = 300_000
const lineBytesMax = 1024 * 1024

/** Opens an image that a docker daemon has: it is saved into a temporary archive first. */
export async function openDaemonSource(image: ImageName, options: DaemonOptions): Promise<Source> {
  const folder = await mkdtemp(join(options.temporary, 'native-docker-'))
  const remove = () => rm(folder, { recursive: true, force: true })
  const name = image.digest ? imageNameText(image) : familiarName(image)
  try {
    const answer = await call(options, 'GET', `/images/${encodeURIComponent(name)}/get`)
    if (answer.statusCode !== 200) throw await refusal(answer, `read ${name} from the docker daemon`)
    const archive = join(folder, 'image.tar')
    await pipeline(answer, createWriteStream(archive), { signal: options.signal })
    const source = await openDockerArchiveSource(archive, undefined, options.temporary, `docker-daemon:${name}`)
    return {
      ...source,
      async close() {
        await source.close()
        await remove()
      },
    }
  } catch (error) {
    await remove()
    throw error
  }
}

/**
 * Writes into a docker daemon: a temporary archive, loaded at the end, so that the daemon
 * gets a whole image or nothing.
 * @throws Failure 'invalid' without a tag
 */
export async function openDaemonDestination(image: ImageName, options: DaemonOptions): Promise<Destination> {
  if (image.tag === undefined || image.digest !== undefined)
    throw new Failure('invalid', 'an image in a docker daemon is named with a tag', {
      where: `docker-daemon:${imageNameText(image)}`,
      next: ['Write it like docker-daemon:name:tag.'],
    })
  const folder = await mkdtemp(join(options.temporary, 'native-docker-'))
  const remove = () => rm(folder, { recursive: true, force: true })
  const archive = join(folder, `${randomUUID()}.tar`)
  const inner = await openDockerArchiveDestination(archive, image)
  return {
    ...inner,
    name: `docker-daemon:${familiarName(image)}`,
    async commit() {
      await inner.commit()
      try {
        await load(archive, options)
      } finally {
        await remove()
      }
    },
    async abort() {
      await inner.abort()
      await remove()
    },
  }
}

async function load(archive: string, options: DaemonOptions): Promise<void> {
  const answer = await call(options, 'POST', '/images/load?quiet=1', archive)
  if (answer.statusCode !== 200) throw await refusal(answer, 'load the image into the docker daemon')
  // Errors come inside of a stream that began with 200.
  for await (const line of lines(answer)) {
    const problem = errorOf(line)
    if (problem) throw new Failure('precondition', `the docker daemon did not load the image: ${problem}`)
  }
}

async function call(options: DaemonOptions, method: string, path: string, archive?: string): Promise<IncomingMessage> {
  const outgoing = http.request({
    ...address(options.host ?? usualHost),
    method,
    path,
    timeout: idleMsMax,
    signal: options.signal,
    headers: { host: 'docker', ...(archive ? { 'content-type': 'application/x-tar' } : {}) },
  })
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.once('response', resolve)
    outgoing.on('error', reject)
    outgoing.once('timeout', () =>
      outgoing.destroy(new Failure('deadline', `the docker daemon was silent for ${idleMsMax / 1000} s`)),
    )
  })
  const sent = archive ? pipeline(createReadStream(archive), outgoing) : Promise.resolve(void outgoing.end())
  try {
    const [answer] = await Promise.all([answered, sent])
    return answer
  } catch (error) {
    throw unreachable(error, options)
  }
}

function address(host: string): RequestOptions {
  if (host.startsWith('unix://')) return { socketPath: host.slice('unix://'.length) }
  const url = URL.canParse(host) ? new URL(host) : undefined
  if (url?.protocol === 'tcp:' || url?.protocol === 'http:') return { host: url.hostname, port: url.port || 2375 }
  throw new Failure('unimplemented', `a docker daemon at "${host.slice(0, 100)}" cannot be reached`, {
    where: 'DOCKER_HOST',
    next: ['unix:// and tcp:// are known; for another use docker save and docker-archive:.'],
  })
}

function unreachable(error: unknown, options: DaemonOptions): unknown {
  if (options.signal.aborted) return options.signal.reason
  if (error instanceof Failure) return error
  const code = errnoOf(error)
  const where = options.host ?? usualHost
  if (code === 'EACCES')
    return new Failure('denied', 'this user may not talk to the docker daemon', {
      where,
      next: ['Add the user to the group docker, or run as root.'],
      cause: error,
    })
  return new Failure('unavailable', `the docker daemon cannot be reached: ${messageOf(error)}`, {
    where,
    next: ['Start docker, or set DOCKER_HOST; archives and layouts (oci:, docker-archive:) need no daemon.'],
    cause: error,
  })
}

async function refusal(answer: IncomingMessage, doing: string): Promise<Failure> {
  let text = ''
  for await (const line of lines(answer)) text ||= errorOf(line) ?? ''
  const kind = answer.statusCode === 404 ? 'not-found' : 'precondition'
  return new Failure(kind, `cannot ${doing}: ${text || `HTTP ${answer.statusCode}`}`)
}

/** The lines of an answer, bounded. */
async function* lines(answer: AsyncIterable<Uint8Array>): AsyncGenerator<string, void, undefined> {
  let rest = ''
  const decoder = new TextDecoder()
  for await (const chunk of answer) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = (parts.pop() ?? '').slice(0, lineBytesMax)
    yield* parts
  }
  if (rest !== '') yield rest
}

function errorOf(line: string): string | undefined {
  try {
    const message = JSON.parse(line) as {
      error?: unknown
      errorDetail?: { message?: unknown }
      message?: unknown
    } | null
    const text = message?.errorDetail?.message ?? message?.error ?? message?.message
    return typeof text === 'string' ? text.slice(0, 1000) : undefined
  } catch {
    // A line that is no JSON is progress for people.
    return undefined
  }
}
