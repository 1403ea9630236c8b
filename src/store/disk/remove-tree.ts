import { randomUUID } from 'node:crypto'
import { chmodSync, type Dir, type Dirent, lstatSync, opendirSync, renameSync, rmdirSync, unlinkSync } from 'node:fs'
import { errnoOf, withoutStack } from '../../core/failure.ts'
import { createTimeSlice } from '../../host/time-slice.ts'

/** Something that could not be removed, and the system error's code that says why. */
export interface Left {
  readonly path: string
  readonly code: string
}

/** What a removal could not remove. */
export interface Leftovers {
  /** The first few, each the deepest of its branch: the folders around it remain only because of it. */
  readonly first: readonly Left[]
  readonly count: number
}

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
interface Frame {
  readonly path: Buffer
  dir: Dir | undefined
  /** Something was removed from it since it was opened. */
  progressed: boolean
  /** Something came into it since it was opened. */
  grown: boolean
  /** Something in it stays. */
  stuck: boolean
  writable: boolean
  /** What stayed elsewhere when it was entered. */
  readonly before: number
}

/** Deeper folders are moved up: neither open folders nor the length of paths grow with a tree's depth. */
const depthMax = 32
const pathBytesMax = 2048
const leftShownMax = 8
const entriesPerRead = 64
const denied: ReadonlySet<string> = new Set(['EACCES', 'EPERM'])
const notEmpty: ReadonlySet<string> = new Set(['ENOTEMPTY', 'EEXIST'])

/**
 * Begins to remove a file or a folder with all in it; it may have gone already. Folders that their owner may not
 * write to are made writable. Nothing is removed beyond a mount point: rmdir says of one that it is busy, before it
 * says whether it is empty, so that each folder is first tried with rmdir. Names need not be UTF-8.
 */
export function beginRemoval(path: string): Removal {
  const top = Buffer.from(path)
  const first: Left[] = []
  let count = 0
  let moved = 0
  const mark = randomUUID()
  const stack: Frame[] = []

  function stays(at: Buffer, code: string, frame: Frame | undefined): void {
    count += 1
    if (first.length < leftShownMax) first.push({ path: at.toString(), code })
    if (frame) frame.stuck = true
  }

  /** Tries once more where the folder around has to be made writable first. Returns why it did not go, or undefined. */
  function tried(remove: () => void, frame: Frame | undefined): string | undefined {
    const code = codeOf(remove)
    if (code === undefined || !denied.has(code) || !frame || frame.writable) return code
    frame.writable = true
    return codeOf(() => chmodSync(frame.path, 0o700)) === undefined ? codeOf(remove) : code
  }

  function unlink(at: Buffer, frame: Frame | undefined): void {
    const code = tried(() => unlinkSync(at), frame)
    if (code === undefined || code === 'ENOENT') progress(frame)
    else stays(at, code, frame)
  }

  function enter(at: Buffer, frame: Frame | undefined): void {
    const code = tried(() => rmdirSync(at), frame)
    if (code === undefined || code === 'ENOENT') progress(frame)
    else if (!notEmpty.has(code)) stays(at, code, frame)
    else if (stack.length >= depthMax || at.byteLength > pathBytesMax) moveUp(at, frame)
    else {
      const fresh = { dir: undefined, progressed: false, grown: false, stuck: false, writable: false }
      stack.push({ path: at, ...fresh, before: count })
    }
  }

  /** A folder far down goes to the top, whose next pass finds it there. */
  function moveUp(at: Buffer, frame: Frame | undefined): void {
    moved += 1
    const to = joined(top, Buffer.from(`.${mark}-${moved}`))
    // Moving a folder changes its entry `..`, for which it has to be writable.
    const move = () => renameSync(at, to)
    const code = codeOf(move) && (codeOf(() => chmodSync(at, 0o700)) ?? codeOf(move))
    if (code !== undefined) {
      stays(at, code, frame)
      return
    }
    progress(frame)
    const [root] = stack
    if (root) root.grown = true
  }

  function open(frame: Frame): boolean {
    const attempt = () => {
      frame.dir = opendirSync(frame.path, { encoding: 'buffer' as BufferEncoding, bufferSize: entriesPerRead })
    }
    const code = tried(attempt, frame)
    if (code === undefined) return true
    stack.pop()
    if (code !== 'ENOENT') stays(frame.path, code, stack.at(-1))
    return false
  }

  /** Reads the folder once more, and counts again what stays in it. */
  function again(frame: Frame): void {
    frame.progressed = false
    frame.grown = false
    frame.stuck = false
    count = frame.before
    first.splice(count)
  }

  /** All entries of the top frame have been tried. */
  function leave(frame: Frame): void {
    frame.dir?.closeSync()
    frame.dir = undefined
    const around = stack.at(-2)
    const code = tried(() => rmdirSync(frame.path), around)
    // A reader may miss entries of a folder that changes meanwhile: once more.
    if (code !== undefined && notEmpty.has(code) && (frame.grown || (frame.progressed && !frame.stuck))) {
      again(frame)
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
    first,
    get count() {
      return count
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

/** The code of the system error that it ends with; undefined when it ends well. */
function codeOf(call: () => void): string | undefined {
  try {
    call()
    return undefined
  } catch (error) {
    const code = errnoOf(error)
    if (code === undefined) throw error
    return code
  }
}
