import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { logFileName, rotatedLogsMax } from '../../config/supervisor.ts'
import { Failure } from '../../core/failure.ts'
import { writtenAt } from '../../core/log-line.ts'
import { ifThere } from '../../host/files.ts'
import { wait } from '../../host/wait.ts'
import type { LogLine, LogOptions } from '../driver.ts'
import { inOrder, type ServerLines } from '../shared/log-order.ts'
import type { ProcessContext } from './context.ts'
import { inodeOf, lastLines, readFrom, sizeOf } from './tail.ts'

const pollMs = 200
const suffix = '.log'

/**
 * The last lines of the servers' logs, ordered by time; with follow, later ones as they are written, also across a
 * rotation.
 * @throws Failure 'not-found' without a cluster or for a server that never ran
 */
export async function* clusterLogs(context: ProcessContext, options: LogOptions): AsyncGenerator<LogLine, void> {
  const { paths, clock } = context
  const servers = await chosen(context, options.servers)
  const tails = await Promise.all(servers.map((server) => openTail(join(paths.logs, logFileName(server)), server)))
  const past = servers.map(async (server) => ({ server, lines: await history(paths.logs, server, options) }))
  yield* inOrder(await Promise.all(past), options.sinceMs)
  if (!options.follow) return
  while (!options.signal.aborted) {
    yield* inOrder(await Promise.all(tails.map((tail) => tail())))
    await wait(pollMs, clock, options.signal).catch((error: unknown) => {
      if (!options.signal.aborted) throw error
    })
  }
}

/** The last lines of a log, including rotated files; no older file than necessary is read. */
async function history(folder: string, server: string, { lines, sinceMs }: LogOptions): Promise<string[]> {
  let found: string[] = []
  const reachesBack = () => sinceMs !== undefined && (writtenAt(found[0] ?? '') ?? sinceMs) < sinceMs
  for (let age = 0; age <= rotatedLogsMax && found.length < lines && !reachesBack(); age += 1) {
    const older = await lastLines(join(folder, logFileName(server, age)), lines - found.length)
    found = [...older, ...found]
  }
  return found
}

/** Returns a reader of what was added since the last call; whole lines only. */
async function openTail(path: string, server: string): Promise<() => Promise<ServerLines>> {
  let inode = await inodeOf(path)
  let at = await sizeOf(path)
  let rest = ''
  return async () => {
    let text = ''
    const now = await inodeOf(path)
    if (inode !== undefined && now !== inode) {
      const rotated = `${path}.1`
      if ((await inodeOf(rotated)) === inode) text += (await readFrom(rotated, at)).text
      at = 0
    }
    inode = now
    const added = await readFrom(path, at)
    at = added.next
    const lines = (rest + text + added.text).split('\n')
    rest = lines.pop() ?? ''
    return { server, lines }
  }
}

async function chosen({ paths }: ProcessContext, wanted: readonly string[]): Promise<string[]> {
  const known = await serversWithLogs(paths.logs)
  if (!known)
    throw new Failure('not-found', `there is no cluster "${paths.name}"`, { next: ['Run `native deploy` first.'] })
  const unknown = wanted.find((name) => !known.includes(name))
  if (unknown !== undefined)
    throw new Failure('not-found', `there is no log of a server "${unknown}"`, {
      next: [known.length > 0 ? `There are logs of ${known.join(', ')}.` : 'Nothing has run yet: `native deploy`.'],
    })
  return wanted.length > 0 ? [...wanted] : known
}

async function serversWithLogs(folder: string): Promise<string[] | undefined> {
  const files = await ifThere(readdir(folder))
  return files
    ?.filter((file) => file.endsWith(suffix))
    .map((file) => file.slice(0, -suffix.length))
    .sort()
}
