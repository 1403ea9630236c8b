import { randomUUID } from 'node:crypto'
import { type Dir, type Dirent, lstatSync, rmdirSync, unlinkSync } from 'node:fs'
import { withoutStack } from '../../core/failure.ts'
import { createTimeSlice } from '../../host/time-slice.ts'
import { createLeftovers, type Leftovers } from './leftovers.ts'
import { codeInside, codeOf, codeOfMove, type OuterFolder, openFolder } from './removal-calls.ts'

/** A tree on its way out. It removes all that it may and goes on past what it may not. */
export interface Removal extends Leftovers {
  /**
   * Goes on until all has been tried, or until it is over.
   * @param over asked before each entry
   * @returns true when all has been tried
   */
  proceed(over: () => boolean): boolean
}

/** A folder that is being emptied. */
interface Frame extends OuterFolder {
  dir: Dir | undefined
  /** Something was removed from it since it was opened. */
  progressed: boolean
  /** Something came into it since it was opened. */
  grown: boolean
  /** Something in it stays. */
  stuck: boolean
  /** What stayed elsewhere when it was entered. */
  readonly before: number
}

/** Deeper folders are moved up: neither open folders nor the length of paths grow with a tree's depth. */
const depthMax = 32
const pathBytesMax = 2048
const unread = { dir: undefined, progressed: false, grown: false, stuck: false, writable: false }
const notEmpty: ReadonlySet<string> = new Set(['ENOTEMPTY', 'EEXIST'])

/**
 * Begins to remove a file or a folder with all in it; it may have gone already. Folders that their owner may not
 * write to are made writable. Nothing is removed beyond a mount point: rmdir says of one that it is busy, before it
 * says whether it is empty, so that each folder is first tried with rmdir. Names need not be UTF-8.
 */
export function beginRemoval(path: string): Removal {
  const top = Buffer.from(path)
  const left = createLeftovers()
  let moved = 0
  const mark = randomUUID()
  const stack: Frame[] = []

  function stays(at: Buffer, code: string, frame: Frame | undefined): void {
    left.add(at, code)
    if (frame) frame.stuck = true
  }

  function unlink(at: Buffer, frame: Frame | undefined): void {
    const code = codeInside(frame, () => unlinkSync(at))
    if (code === undefined || code === 'ENOENT') progress(frame)
    else stays(at, code, frame)
  }

  function enter(at: Buffer, frame: Frame | undefined): void {
    const code = codeInside(frame, () => rmdirSync(at))
    if (code === undefined || code === 'ENOENT') progress(frame)
    else if (!notEmpty.has(code)) stays(at, code, frame)
    else if (stack.length >= depthMax || at.byteLength > pathBytesMax) moveUp(at, frame)
    else stack.push({ path: at, ...unread, before: left.count })
  }

  /** A folder far down goes to the top, whose next pass finds it there. */
  function moveUp(at: Buffer, frame: Frame | undefined): void {
    moved += 1
    const code = codeOfMove(at, joined(top, Buffer.from(`.${mark}-${moved}`)))
    if (code === undefined) {
      progress(frame)
      if (stack[0]) stack[0].grown = true
    } else stays(at, code, frame)
  }

  function open(frame: Frame): boolean {
    const code = codeInside(frame, () => {
      frame.dir = openFolder(frame.path)
    })
    if (code === undefined) return true
    stack.pop()
    if (code !== 'ENOENT') stays(frame.path, code, stack.at(-1))
    return false
  }

  /** All entries of the top frame have been tried. */
  function leave(frame: Frame): void {
    frame.dir?.closeSync()
    const around = stack.at(-2)
    const code = codeInside(around, () => rmdirSync(frame.path))
    // A reader may miss entries of a folder that changes meanwhile: it is read once more, and what stays in it counted again.
    if (code !== undefined && notEmpty.has(code) && (frame.grown || (frame.progressed && !frame.stuck))) {
      Object.assign(frame, { dir: undefined, progressed: false, grown: false, stuck: false })
      left.cut(frame.before)
      return
    }
    stack.pop()
    if (code === undefined || code === 'ENOENT') progress(around)
    else if (frame.stuck && around) around.stuck = true
    else if (!frame.stuck) stays(frame.path, code, around)
  }

  function begin(): void {
    let folder: boolean | undefined
    const code = codeOf(() => {
      folder = lstatSync(top, { throwIfNoEntry: false })?.isDirectory()
    })
    if (code !== undefined) stays(top, code, undefined)
    else if (folder) enter(top, undefined)
    else if (folder === false) unlink(top, undefined)
  }

  function go(over: () => boolean): boolean {
    for (let frame = stack.at(-1); frame; frame = stack.at(-1)) {
      if (over()) return false
      if (!frame.dir && !open(frame)) continue
      const entry = frame.dir?.readSync() as Dirent<Buffer> | null
      if (!entry) leave(frame)
      else if (entry.isDirectory()) enter(joined(frame.path, entry.name), frame)
      else unlink(joined(frame.path, entry.name), frame)
    }
    return true
  }

  let begun = false
  return {
    first: left.first,
    get count() {
      return left.count
    },
    proceed: (over) =>
      // Each folder that is not empty is an error, whose stack nobody reads.
      withoutStack(() => {
        if (!begun) begin()
        begun = true
        return go(over)
      }),
  }
}

/** Removes a tree, letting others have the event loop in between. @returns what stays */
export async function removeTree(path: string): Promise<Leftovers> {
  const removal = beginRemoval(path)
  const slice = createTimeSlice()
  while (!removal.proceed(() => slice.over)) await slice.next()
  return removal
}

function progress(frame: Frame | undefined): void {
  if (frame) frame.progressed = true
}

const slash = Buffer.from('/')

function joined(folder: Buffer, name: Buffer): Buffer {
  return Buffer.concat([folder, slash, name])
}
