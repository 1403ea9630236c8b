import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Digest } from '../../core/digest.ts'
import { Failure, messageOf } from '../../core/failure.ts'
import { createSemaphore } from '../../core/semaphore.ts'
import { Code, RpcError } from '../../wire/rpc.ts'
import type { Entry, Folder } from './folder.ts'
import type { Found, Remote } from './remote.ts'
import { type Request, readRequests } from './requests.ts'

/** Counters of one run. */
export interface CacheProgCounts {
  /** Found in this machine's folder. */
  local: number
  /** Found in the cluster's cache. */
  remote: number
  misses: number
  puts: number
  /** Bytes added to the folder. */
  addedBytes: number
}

export interface CacheProgOptions {
  readonly requests: AsyncIterable<Buffer>
  /** Writes a line of an answer. */
  readonly answer: (line: string) => void
  readonly folder: Folder
  /** Connects to the cluster's cache; called once, when first needed. */
  readonly openRemote: () => Promise<Remote>
  /** Shows the user a sentence, in the middle of a build's output. */
  readonly warn: (text: string) => void
}

type Get = Extract<Request, { Command: 'get' }>
type Put = Extract<Request, { Command: 'put' }>

/** Requests handled concurrently; the go command holds back more. */
const atOnceMax = 64
const uploadsMax = 32
/** How long the end of a build waits for uploads. */
const closeMsMax = 60_000
/** Warnings per run, since they interrupt the build's output. */
const warningsMax = 5
const tellsThatItIsAway: ReadonlySet<Code> = new Set([
  Code.UNAVAILABLE,
  Code.DEADLINE_EXCEEDED,
  Code.UNAUTHENTICATED,
  Code.UNIMPLEMENTED,
])

/**
 * Answers the go command until it sends close, or its end of the pipe is gone. If the cluster's cache fails, for
 * whatever reason, a get is a miss and a put is not kept, and the user is told once: it never fails a build.
 * @throws Failure 'invalid' for what is not a request
 */
export async function serveCacheProg(options: CacheProgOptions): Promise<CacheProgCounts> {
  const { folder, answer } = options
  const counts: CacheProgCounts = { local: 0, remote: 0, misses: 0, puts: 0, addedBytes: 0 }
  const remote = tolerant(options)
  const running = new Set<Promise<void>>()
  const uploads = new Set<Promise<void>>()
  const uploadSemaphore = createSemaphore(uploadsMax)
  const respond = (id: number, fields: Readonly<Record<string, unknown>>) =>
    answer(`${JSON.stringify({ ID: id, ...fields })}\n`)

  async function get({ ID, ActionID }: Get): Promise<void> {
    const actionId = ActionID.toString('hex')
    const entry = (await local(actionId)) ?? (await fetched(actionId))
    if (entry) respond(ID, hit(entry, folder))
    else {
      counts.misses += 1
      respond(ID, { Miss: true })
    }
  }

  async function local(actionId: string): Promise<Entry | undefined> {
    const entry = await folder.find(actionId)
    if (entry) counts.local += 1
    return entry
  }

  async function fetched(actionId: string): Promise<Entry | undefined> {
    const found = await remote((way) => way.find(actionId))
    if (!found) return undefined
    const { digest } = found.entry
    if (!(await folder.has(digest))) {
      const taken = await remote(async (way) => {
        await folder.takeFile(digest, (path) => writeFound(way, found, path))
        return true
      })
      if (!taken) return undefined
      counts.addedBytes += digest.size
    }
    await folder.remember(actionId, found.entry)
    counts.remote += 1
    return found.entry
  }

  async function put({ ID, ActionID, OutputID }: Put, body: AsyncIterable<Buffer>): Promise<void> {
    const actionId = ActionID.toString('hex')
    const digest = await folder.take(body)
    counts.puts += 1
    counts.addedBytes += digest.size
    const entry: Entry = { outputId: OutputID.toString('hex'), digest, timeMs: Date.now() }
    await folder.remember(actionId, entry)
    respond(ID, { DiskPath: folder.fileOf(digest) })
    const upload = uploadSemaphore(async () => {
      await remote((way) => way.keep(actionId, entry, folder.fileOf(digest)))
    })
    track(uploads, upload)
    // Back-pressure: the go command may put faster than the cache accepts.
    if (uploads.size > atOnceMax) await Promise.race(uploads)
  }

  respond(0, { KnownCommands: ['get', 'put', 'close'] })
  for await (const { request, body } of readRequests(options.requests)) {
    if (request.Command === 'close') {
      await Promise.all(running)
      await settled(uploads, options.warn)
      respond(request.ID, {})
      return counts
    }
    // The body has to be read before the next request.
    if (request.Command === 'put') await told(request, () => put(request, body))
    else
      track(
        running,
        told(request, () => get(request)),
      )
    if (running.size >= atOnceMax) await Promise.race(running)
  }
  await Promise.all(running)
  await settled(uploads, options.warn)
  return counts

  /** A failure of this machine (a full disk) is reported for the request. */
  async function told(request: Request, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      if (error instanceof Failure && error.kind === 'invalid') throw error
      respond(request.ID, { Err: `native cacheprog: ${messageOf(error)}` })
    }
  }
}

function hit({ outputId, digest, timeMs }: Entry, folder: Folder): Readonly<Record<string, unknown>> {
  return {
    OutputID: Buffer.from(outputId, 'hex').toString('base64'),
    Size: digest.size,
    Time: new Date(timeMs).toISOString(),
    DiskPath: folder.fileOf(digest),
  }
}

async function writeFound(way: Remote, { entry, contents }: Found, path: string): Promise<void> {
  if (!contents) return way.fetch(entry.digest, path)
  assertBytes(contents, entry.digest)
  await writeFile(path, contents, { mode: 0o600, flag: 'wx' })
}

function assertBytes(bytes: Uint8Array, { hash, size }: Digest): void {
  if (bytes.length === size && createHash('sha256').update(bytes).digest('hex') === hash) return
  throw new Failure('corrupt', 'the bytes that came with a result are not those of its digest', { where: hash })
}

/** Keeps work in a set until it has settled. */
function track(set: Set<Promise<void>>, work: Promise<void>): void {
  set.add(work)
  void work.finally(() => set.delete(work)).catch(() => undefined)
}

async function settled(uploads: ReadonlySet<Promise<void>>, warn: CacheProgOptions['warn']): Promise<void> {
  if (uploads.size === 0) return
  const stop = new AbortController()
  const late = sleep(closeMsMax, 'late', { signal: stop.signal }).catch(() => 'stopped')
  const ended = await Promise.race([Promise.all(uploads).then(() => 'ended'), late])
  stop.abort()
  if (ended === 'late')
    warn(`the cache took none of ${uploads.size} outputs within ${closeMsMax / 1000} s; they are not kept`)
}

/** Asks the cluster's cache; undefined if that fails. Once it is down, nobody waits for it again. */
function tolerant({
  openRemote,
  warn,
}: CacheProgOptions): <T>(ask: (way: Remote) => Promise<T>) => Promise<T | undefined> {
  let opened: Promise<Remote | undefined> | undefined
  let away = false
  const told = new Set<string>()

  function tell(error: unknown, isAway: boolean): undefined {
    const text = `${messageOf(error)}; this build goes on${isAway ? ' without the cache' : ''}`
    if (!away && !told.has(text) && told.size < warningsMax) warn(text)
    told.add(text)
    away ||= isAway
    return undefined
  }

  return async (ask) => {
    if (away) return undefined
    opened ??= openRemote().catch((error: unknown) => tell(error, true))
    const way = await opened
    if (!way) return undefined
    return ask(way).catch((error: unknown) =>
      tell(error, error instanceof RpcError && tellsThatItIsAway.has(error.code)),
    )
  }
}
