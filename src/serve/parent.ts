import { writeSync } from 'node:fs'
import { Socket } from 'node:net'
import { errnoOf } from '../core/failure.ts'

/**
 * Calls back once when the parent process is gone, however it ended. The parent keeps the other end of a pipe open for
 * as long as it lives (`--parent-fd`); the kernel closes it even on kill -9, which shows up here as end of file.
 * Nothing is read: data is discarded.
 * @param fd the inherited end of the pipe; undefined (started by hand) watches nothing
 * @param gone should end this process without draining: nobody waits for it any more
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
 * Tells the parent, over the same pipe, that this server is ready: its ports are bound. Some other server may answer on
 * a port; only ours can say this.
 * @param fd as above; undefined tells nobody
 */
export function tellParentReady(fd: number | undefined): void {
  if (fd !== undefined) tell(fd, 'ready\n')
}

/** How often a server sends a heartbeat. */
const signMs = 5_000

/**
 * Sends heartbeats to the parent over the same pipe: from the event loop that serves calls, so that they stop if that
 * hangs (supervisor/watch.ts).
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
    // The parent may be gone, may not read (EBADF: its pipe is one-way), or may be behind (EAGAIN) and have enough
    // heartbeats.
    if (!['EPIPE', 'ECONNRESET', 'EBADF', 'ENOTCONN', 'EAGAIN'].includes(errnoOf(error) ?? '')) throw error
  }
}
