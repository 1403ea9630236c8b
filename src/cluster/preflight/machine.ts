import { readFile, statfs } from 'node:fs/promises'
import { createServer } from 'node:net'
import { dirname } from 'node:path'
import { errnoOf } from '../../core/failure.ts'
import { sizeText } from '../../core/units.ts'
import { ifThere } from '../../host/files.ts'
import { type Check, failed, note, ok } from './check.ts'

const nodeNeeded = [22, 19] as const
const openFilesNeeded = 4096
const diskBytesNeeded = 5e9
const inotifyNeeded = { max_user_watches: 65_536, max_user_instances: 256 } as const

/** Is this an operating system that the servers and the worker run on? */
export function systemCheck(platform: NodeJS.Platform, arch: string): Check {
  return {
    title: 'operating system',
    async run() {
      if (platform === 'linux' || platform === 'darwin') return ok(`${platform} ${arch}`)
      return failed(`${platform} ${arch}`, 'Use Linux, macOS or WSL 2: the worker needs a POSIX system.')
    },
  }
}

/** Is the Node that runs this new enough? @param version like 24.21.0 */
export function nodeCheck(version: string): Check {
  return {
    title: 'node',
    async run() {
      const [major = 0, minor = 0] = version.split('.').map(Number)
      if (major > nodeNeeded[0] || (major === nodeNeeded[0] && minor >= nodeNeeded[1])) return ok(version)
      return failed(version, `Install Node ${nodeNeeded.join('.')} or later.`)
    },
  }
}

/** Is there space where the cache will be? @param folder need not exist yet */
export function diskCheck(folder: string): Check {
  return {
    title: 'disk',
    async run() {
      const free = (await roomAt(folder)) ?? 0
      if (free >= diskBytesNeeded) return ok(`${sizeText(free)} free for ${folder}`)
      return failed(
        `${sizeText(free)} free for ${folder}`,
        'Free some room, set XDG_DATA_HOME to a larger disk, or deploy with a smaller --cache-size.',
      )
    },
  }
}

/** May this process open as many files as a busy cache needs? */
export function openFilesCheck(limit = openFilesLimit()): Check {
  return {
    title: 'open files',
    async run() {
      if (limit >= openFilesNeeded) return ok(`${limit === Number.POSITIVE_INFINITY ? 'no' : limit} limit`)
      return note(`a limit of ${limit}`, `Raise it with "ulimit -n ${openFilesNeeded}" before "native up".`)
    },
  }
}

/** Are the kernel's inotify limits what a kind cluster needs? Linux only. */
export function inotifyCheck(folder = '/proc/sys/fs/inotify'): Check {
  return {
    title: 'inotify',
    async run() {
      for (const [name, needed] of Object.entries(inotifyNeeded)) {
        const value = await readLimit(`${folder}/${name}`)
        if (value !== undefined && value < needed)
          return note(
            `${name} is ${value}`,
            `Only the kind driver needs more: "sudo sysctl fs.inotify.${name}=${needed}".`,
          )
      }
      return ok('limits are wide enough')
    },
  }
}

/** Is the usual port free? A taken one is not a fault: `up` then picks another. */
export function portCheck(port: number, ours: ReadonlySet<number>): Check {
  return {
    title: `port ${port}`,
    async run() {
      if (ours.has(port)) return ok('in use by this cluster')
      if (await portIsFree(port)) return ok('free')
      return note('taken by another program', '"native up" picks a free port instead; "native ips" prints it.')
    },
  }
}

/** Can a server listen on 127.0.0.1:port now? */
function portIsFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)))
  })
}

/** The soft limit on open files; Infinity when there is none or it is unknown. */
export function openFilesLimit(): number {
  const report: unknown = process.report.getReport()
  if (typeof report !== 'object' || report === null || !('userLimits' in report)) return Number.POSITIVE_INFINITY
  const limits = report.userLimits as { open_files?: { soft?: number | string } }
  const soft = limits.open_files?.soft
  return typeof soft === 'number' ? soft : Number.POSITIVE_INFINITY
}

/**
 * How many bytes this user can still write there, by the nearest existing folder. Undefined where none is accessible.
 */
export async function roomAt(folder: string): Promise<number | undefined> {
  try {
    const { bavail, bsize } = await statfs(folder)
    return bavail * bsize
  } catch (error) {
    const parent = dirname(folder)
    if (errnoOf(error) === 'EACCES') return undefined
    if (errnoOf(error) !== 'ENOENT' || parent === folder) throw error
    return roomAt(parent)
  }
}

async function readLimit(file: string): Promise<number | undefined> {
  const text = await ifThere(readFile(file, 'utf8'))
  return text === undefined ? undefined : Number(text.trim())
}
