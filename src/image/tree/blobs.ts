import { Failure } from '../../core/failure.ts'
import type { TreeFile } from './tree.ts'

/** An id of 64 digits, the type and a size. */
const headerBytesMax = 256
const lineFeed = 0x0a

/**
 * Reads the output of `git cat-file --batch`: for each blob a line `ID blob SIZE`, its bytes and a line feed.
 * @returns a function for the content of a file; to be called in git's own order, each read to its end before the
 *   next
 */
export function blobsOf(output: AsyncIterable<Buffer>): (file: TreeFile) => AsyncIterable<Uint8Array> {
  const chunks = output[Symbol.asyncIterator]()
  let rest: Buffer = Buffer.alloc(0)

  async function more(): Promise<Buffer> {
    const next = await chunks.next()
    if (next.done) throw new Failure('program', 'git ended in the middle of its answer', { where: 'git cat-file' })
    return next.value
  }

  async function line(): Promise<string> {
    let end = rest.indexOf(lineFeed)
    for (; end < 0 && rest.byteLength <= headerBytesMax; end = rest.indexOf(lineFeed))
      rest = Buffer.concat([rest, await more()])
    const found = rest.toString('latin1', 0, end)
    rest = rest.subarray(end + 1)
    return found
  }

  return async function* ({ id, path }) {
    const header = await line()
    const size = /^([0-9a-f]+) blob (\d{1,15})$/.exec(header)
    if (size?.[1] !== id)
      throw new Failure('not-found', 'the repository does not have the content of a file', {
        where: path,
        next: ['A shallow or damaged clone does not have all content: run git fsck.'],
      })
    for (let left = Number(size[2]); left > 0; ) {
      if (rest.byteLength === 0) rest = await more()
      const piece = rest.subarray(0, left)
      rest = rest.subarray(piece.byteLength)
      left -= piece.byteLength
      yield piece
    }
    await line()
  }
}
