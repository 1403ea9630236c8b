import { lstat, unlink } from 'node:fs/promises'
import { connect } from 'node:net'
import { errnoOf, Failure } from '../core/failure.ts'
import { systemFailure } from '../host/system-errors.ts'

/**
 * Removes the socket left behind by a killed server; nothing else.
 * @throws Failure 'exists' if a server listens there, or it is not a socket
 */
export async function clearSocket(path: string): Promise<void> {
  try {
    const found = await lstat(path)
    if (!found.isSocket())
      throw new Failure('exists', 'cannot listen: something stands there that is not a socket', { where: path })
    if (await answers(path))
      throw new Failure('exists', 'cannot listen: another server listens there', {
        where: path,
        next: ['End it, or choose another path.'],
      })
    await unlink(path)
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw systemFailure(error, { doing: 'cannot listen', where: path })
  }
}

/** Does anybody accept connections there? */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path })
    const tell = (there: boolean) => {
      socket.destroy()
      resolve(there)
    }
    socket.once('connect', () => tell(true))
    // ECONNREFUSED: nobody. With any other error somebody may be there.
    socket.once('error', (error) => tell(errnoOf(error) !== 'ECONNREFUSED'))
  })
}
