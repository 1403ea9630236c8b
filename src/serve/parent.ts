import { writeSync } from 'node:fs'
import { Socket } from 'node:net'
import { errnoOf } from '../core/failure.ts'

/**
 * Calls back once when the process that started this one is gone, however it ended. The
 * parent keeps the other end of a pipe open for as long as it lives (`--parent-fd`); the
 * kernel closes it even at kill -9, and the end of file is seen here. Nothing is read: what
 * arrives is thrown away.
 * @param fd the inherited end of the pipe; undefined (started by hand) watches nothing
 * @param gone should end this process without a drain: nobody waits for it any more
 * @returns stops watching
 */
export function exitWhenParentGoes(fd: number | undefined, gone: () => void): () => void {
  if (fd === undefined) return () => undefined
  const pipe = new Socket({ fd, readable: true, writable: false })
  let watching = true
  const end = () => {
    if (!watching) return
    watching = false
    pipe.destroy()
    gone()
  }
  pipe.on('error', end)
  pipe.on('close', end)
  pipe.on('end', end)
  pipe.resume()
  pipe.unref()
  return () => {
    watching = false
    pipe.destroy()
  }
}

/**
 * Tells the process that started this one, over the same pipe, that it serves: its ports are
 * bound. Somebody else's server may answer on a port; only ours can say this.
 * @param fd as above; undefined tells nobody
 */
export function tellParentReady(fd: number | undefined): void {
  if (fd !== undefined) tell(fd, 'ready\n')
}

/** How often a server says that it lives. */
const signMs = 5_000

/**
 * Gives signs of life to the process that started this one, over the same pipe: they come out of
 * the loop that serves calls, so that none come when that stands still (supervisor/watch.ts).
 * @returns stops
 */
export function giveSignsOfLife(fd: number | undefined): () => void {
  if (fd === undefined) return () => undefined
  tell(fd, 'alive\n')
  const timer = setInterval(() => tell(fd, 'alive\n'), signMs)
  timer.unref()
  return () => clearInterval(timer)
}

function tell(fd: number, word: string): void {
  try {
    writeSync(fd, word)
  } catch (error) {
    // A parent that is gone needs no word, one that reads nothing (EBADF: its pipe goes one way) wants none, and one
    // that is behind (EAGAIN) has enough of them.
    if (!['EPIPE', 'ECONNRESET', 'EBADF', 'ENOTCONN', 'EAGAIN'].includes(errnoOf(error) ?? '')) throw error
  }
}
