import { execFileSync } from 'node:child_process'
import {
  closeSync,
  constants,
  copyFileSync,
  futimesSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { copyFile, open } from 'node:fs/promises'
import { join } from 'node:path'

/** What stands in the cache: so many files of one size, `0`, `1` and so on. */
export interface Stock {
  readonly folder: string
  readonly count: number
  /** The bytes of each, as a cache in memory would have them. */
  readonly bytes: readonly Uint8Array[]
}

/** A way to give an action its inputs. */
export interface Way {
  readonly name: string
  /** Makes the files of the stock in a folder that is there and empty, or throws where that cannot be. */
  make(stock: Stock, into: string): void | Promise<void>
  /** Before the folder can be removed. */
  end?(into: string): void
  /** More files or bytes than this take too long to be worth a figure. */
  readonly countMax?: number
  readonly bytesMax?: number
}

const fixedTime = 946_684_800
const asyncWidth = 16
const memoryBytesMax = 1024 * 1024

const each = (stock: Stock, into: string, make: (from: string, to: string, at: number) => void) => {
  for (let at = 0; at < stock.count; at += 1) make(join(stock.folder, String(at)), join(into, String(at)), at)
}

async function several(stock: Stock, into: string, make: (from: string, to: string, at: number) => Promise<void>) {
  let next = 0
  const lane = async () => {
    for (let at = next++; at < stock.count; at = next++)
      await make(join(stock.folder, String(at)), join(into, String(at)), at)
  }
  await Promise.all(Array.from({ length: Math.min(asyncWidth, stock.count) }, lane))
}

function write(to: string, bytes: Uint8Array): void {
  const file = openSync(to, 'wx', 0o444)
  writeSync(file, bytes)
  futimesSync(file, fixedTime, fixedTime)
  closeSync(file)
}

const move: Way = {
  name: 'move, with the looks that its seal needs',
  make(stock, into) {
    each(stock, into, (from, to) => {
      lstatSync(from)
      renameSync(from, to)
      lstatSync(to)
    })
  },
  end(into) {
    const back = join(into, '..', 'stock')
    for (const name of readdirSync(into)) {
      lstatSync(join(into, name))
      renameSync(join(into, name), join(back, name))
      lstatSync(join(back, name))
    }
  },
}

const overlay: Way = {
  name: 'overlay of hard links, mounted and unmounted',
  make(stock, into) {
    for (const part of ['lower', 'upper', 'work', 'merged']) mkdirSync(join(into, part))
    each(stock, join(into, 'lower'), linkSync)
    mountOverlay(join(into, 'lower'), into)
  },
  end: (into) => execFileSync('umount', [join(into, 'merged')]),
}

const readyOverlay: Way = {
  name: 'overlay of a folder that is there, mounted and unmounted',
  make(stock, into) {
    for (const part of ['upper', 'work', 'merged']) mkdirSync(join(into, part))
    mountOverlay(stock.folder, into)
  },
  end: (into) => execFileSync('umount', [join(into, 'merged')]),
}

function mountOverlay(lower: string, into: string): void {
  // volatile: else the end of an overlay waits until all that is dirty on its file system is written.
  const layers = `volatile,lowerdir=${lower},upperdir=${join(into, 'upper')},workdir=${join(into, 'work')}`
  execFileSync('mount', ['-t', 'overlay', '-o', layers, 'overlay', join(into, 'merged')], { stdio: 'pipe' })
}

const bind: Way = {
  name: 'read-only bind mounts',
  countMax: 200,
  make: (stock, into) =>
    each(stock, into, (from, to) => {
      writeFileSync(to, '')
      execFileSync('mount', ['--bind', '-o', 'ro', from, to])
    }),
  end: (into) =>
    execFileSync(
      'umount',
      readdirSync(into).map((name) => join(into, name)),
    ),
}

export const ways: readonly Way[] = [
  move,
  {
    name: 'hard link, with the looks that its seal needs',
    make: (stock, into) =>
      each(stock, into, (from, to) => {
        lstatSync(from)
        linkSync(from, to)
        lstatSync(from)
      }),
  },
  {
    name: 'reflink',
    make: (stock, into) => each(stock, into, (from, to) => copyFileSync(from, to, constants.COPYFILE_FICLONE_FORCE)),
  },
  { name: 'copyFileSync', make: (stock, into) => each(stock, into, (from, to) => copyFileSync(from, to)) },
  {
    name: `copyFile, ${asyncWidth} at once`,
    make: (stock, into) => several(stock, into, (from, to) => copyFile(from, to)),
  },
  {
    name: 'read, write, set the time',
    bytesMax: memoryBytesMax,
    make: (stock, into) => each(stock, into, (from, to) => write(to, readFileSync(from))),
  },
  {
    name: 'write bytes kept in memory, set the time',
    bytesMax: memoryBytesMax,
    make: (stock, into) => each(stock, into, (_from, to, at) => write(to, stock.bytes[at] ?? new Uint8Array())),
  },
  {
    name: `the same with promises, ${asyncWidth} at once`,
    bytesMax: memoryBytesMax,
    make: (stock, into) =>
      several(stock, into, async (_from, to, at) => {
        const file = await open(to, 'wx', 0o444)
        await file.write(stock.bytes[at] ?? new Uint8Array())
        await file.utimes(fixedTime, fixedTime)
        await file.close()
      }),
  },
]

/** Those that need a mount namespace. */
export const mountingWays: readonly Way[] = [overlay, readyOverlay, bind]
