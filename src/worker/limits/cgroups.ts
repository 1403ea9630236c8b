import { accessSync, constants, existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { errnoOf } from '../../core/failure.ts'

/** The kernel's controller for a limit. */
export type Controller = 'memory' | 'pids' | 'cpu'

/** A cgroup folder in which this process may create cgroups. */
export interface CgroupPlace {
  readonly version: 1 | 2
  readonly directory: string
}

/** Which place enforces which limit; absent: none does. */
export type CgroupPlaces = Readonly<Partial<Record<Controller, CgroupPlace>>>

const controllers = ['memory', 'pids', 'cpu'] as const

/**
 * Looks where this process may create cgroups: for version 1, beneath its own cgroup of each controller; for version 2,
 * beneath its own where that delegates controllers, or else beside it (a cgroup that holds processes delegates none).
 */
export function findCgroups(): CgroupPlaces {
  if (process.platform !== 'linux') return {}
  try {
    const mounts = mountsOf(readFileSync('/proc/self/mountinfo', 'utf8'))
    const own = readFileSync('/proc/self/cgroup', 'utf8').trim().split('\n').map(memberOf)
    const found = controllers.map((controller) => [controller, placeOf(controller, mounts, own)] as const)
    return Object.fromEntries(found.filter(([, place]) => place !== undefined))
  } catch (error) {
    if (errnoOf(error) === undefined) throw error
    return {}
  }
}

interface CgroupMount {
  readonly at: string
  /** Which cgroup is mounted there. */
  readonly root: string
  readonly type: string
  readonly options: readonly string[]
}

interface Member {
  readonly controllers: readonly string[]
  readonly path: string
}

function placeOf(controller: Controller, mounts: CgroupMount[], own: Member[]): CgroupPlace | undefined {
  const first = mounts.find(({ type, options }) => type === 'cgroup' && options.includes(controller))
  const member = own.find((each) => each.controllers.includes(controller))
  if (first && member) {
    const directory = folderOf(first, member)
    return directory !== undefined && isWritable(directory) ? { version: 1, directory } : undefined
  }
  const second = mounts.find(({ type }) => type === 'cgroup2')
  const unified = own.find((each) => each.controllers.length === 0)
  const directory = second && unified ? folderOf(second, unified) : undefined
  if (!second || directory === undefined) return undefined
  const hands = (at: string) => read(join(at, 'cgroup.subtree_control')).split(/\s+/).includes(controller)
  for (const at of [directory, dirname(directory)])
    if (at.startsWith(second.at) && hands(at) && isWritable(at) && isWritable(join(at, 'cgroup.procs')))
      return { version: 2, directory: at }
  return undefined
}

/** undefined when the mount shows a part of the hierarchy that this process is not in. */
function folderOf({ at, root }: CgroupMount, { path }: Member): string | undefined {
  const inside = relative(root, path)
  const folder = join(at, inside)
  return !inside.startsWith('..') && existsSync(folder) ? folder : undefined
}

function mountsOf(text: string): CgroupMount[] {
  return text
    .split('\n')
    .map((line) => line.split(' - '))
    .flatMap(([left = '', right = '']) => {
      const [, , , root = '/', at = ''] = left.split(' ')
      const [type = '', , options = ''] = right.split(' ')
      return type.startsWith('cgroup') ? [{ at, root, type, options: options.split(',') }] : []
    })
}

function memberOf(line: string): Member {
  const [, names = '', ...path] = line.split(':')
  return { controllers: names.split(',').filter(Boolean), path: path.join(':') }
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK)
    return true
  } catch (error) {
    if (errnoOf(error) === undefined) throw error
    return false
  }
}

function read(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : ''
}

/** The cgroups of workers in a place, by their folders' names. */
export function cgroupsIn({ directory }: CgroupPlace, prefix: string): string[] {
  return readdirSync(directory).filter((name) => name.startsWith(prefix))
}
