import { chmodSync, lstatSync, mkdirSync, readdirSync, renameSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import { errnoOf } from '../../core/failure.ts'
import type { Cell } from '../enclosure.ts'
import { hasFineTimes } from '../fine-times.ts'
import { boxPath, sharedMemory } from './view.ts'

/** Where an action sees its folder, on every machine. */
export const seenRoot = `${boxPath}/root`

/** The slot's own folder, which its shell has open. */
const cellFile = '/proc/self/fd/8'

/** What one action uses of the slot, and its state before. */
interface Stay {
  readonly outside: string
  readonly inode: bigint
  /** Change time of the box with the folder in it. */
  readonly box: bigint
  /** The folder of the slot's message queues (mq_overview(7)), and its state before. */
  readonly queues: string
  readonly queuesBefore: string
}

/**
 * A slot's folder: an action's folder is renamed to `box`; `tmp-N` is its /tmp, a new one whenever the last action has
 * used it, which the change time reveals, since no call can set that.
 * @param path of the folder, which is created
 * @param discard removes a folder, now or later
 */
export function createCell(path: string, discard: (path: string) => void): Cell {
  const box = join(path, 'box')
  const within = join(box, 'root')
  let temporaries = 1
  const temporary = () => join(path, `tmp-${temporaries}`)
  mkdirSync(path, { mode: 0o700 })
  for (const name of ['root', 'box']) mkdirSync(join(path, name))
  makeTemporary(temporary())
  let stay: Stay | undefined
  let temporaryBefore: bigint | undefined

  /** The commands that remount what the last action has used. */
  const renewals = (shell: number): (readonly string[])[] => {
    const commands: (readonly string[])[] = []
    if (temporaryBefore !== undefined && (changed(temporary()) !== temporaryBefore || !hasFineTimes())) {
      discard(temporary())
      temporaries += 1
      makeTemporary(temporary())
      const source = `${cellFile}/tmp-${temporaries}`
      commands.push(unmount('/tmp'), ['mount', '-n', '-c', '-i', '--bind', source, '/tmp'])
    }
    if (temporaryBefore !== undefined && (!isAsMade(`/proc/${shell}/root/dev/shm`) || !hasFineTimes())) {
      const { source, target, type, options } = sharedMemory
      commands.push(unmount(target), ['mount', '-n', '-c', '-i', '-t', type, '-o', options.join(','), source, target])
    }
    temporaryBefore = changed(temporary())
    return commands
  }

  return {
    folder: within,
    enter(request, shell) {
      const outside = request.root ?? request.cwd
      const before = renewals(shell)
      const inode = moved(outside, within)
      const queues = `/proc/${shell}/root/dev/mqueue`
      stay = { outside, inode, box: changed(box), queues, queuesBefore: stateOf(queues) }
      const cwd = join(seenRoot, relative(outside, request.cwd))
      return { ...request, root: seenRoot, cwd, before: [...before, ...(request.before ?? [])] }
    },
    leave() {
      if (!stay) return true
      const { outside, inode, queues, queuesBefore } = stay
      const isClean = changed(box) === stay.box && readdirSync(box).length === 1 && stateOf(queues) === queuesBefore
      stay = undefined
      if (isSame(within, inode)) moved(within, outside)
      // The action has moved its folder away, or replaced it: nothing of that is followed.
      else mkdirSync(outside)
      return isClean
    },
    remove: () => discard(path),
  }
}

function unmount(target: string): readonly string[] {
  return ['umount', '-n', '-i', '-c', '-l', target]
}

function makeTemporary(path: string): void {
  mkdirSync(path)
  chmodSync(path, 0o1777)
}

function changed(path: string): bigint {
  return statSync(path, { bigint: true }).ctimeNs
}

/** The size shows what is in there where times are too coarse. A killed slot's folder is gone, as is the slot. */
function stateOf(queues: string): string {
  const stats = statSync(queues, { bigint: true, throwIfNoEntry: false })
  return stats ? [stats.size, stats.mode, stats.ctimeNs].join(' ') : ''
}

/** Has nothing ever been created in this in-memory folder? Where the kernel records no birth time, the answer is no. */
function isAsMade(path: string): boolean {
  const { ctimeNs, birthtimeNs } = statSync(path, { bigint: true })
  return ctimeNs === birthtimeNs
}

function isSame(path: string, inode: bigint): boolean {
  const stats = lstatSync(path, { bigint: true, throwIfNoEntry: false })
  return stats?.isDirectory() === true && stats.ino === inode
}

/** Moves a folder, even one that its owner may not write to, and returns its inode number. */
export function moved(from: string, to: string): bigint {
  const stats = lstatSync(from, { bigint: true })
  const { ino, mode } = stats
  try {
    renameSync(from, to)
  } catch (error) {
    // The kernel has to update the folder's `..`, which a symlink does not have; its target may be anybody's.
    if (errnoOf(error) !== 'EACCES' || !stats.isDirectory()) throw error
    chmodSync(from, 0o700)
    renameSync(from, to)
    chmodSync(to, Number(mode & 0o7777n))
  }
  return ino
}
