import { type Digest, digestText } from '../core/digest.ts'
import { Failure } from '../core/failure.ts'
import { assertInstance } from '../core/instance.ts'
import { batchBytesMax } from '../core/limits.ts'
import { decodeMessage } from '../wire/decode.ts'
import { fieldLength, putVarint } from '../wire/emit.ts'
import { re } from '../wire/proto.ts'
import type { Call, Send } from '../wire/rpc.ts'
import { absent } from './absent.ts'
import { type CacheContext, requestDigest } from './context.ts'
import { walkDirectories } from './directories.ts'

/** Where a page begins: the position in the walk, and the directory that stands there. */
interface Position {
  readonly index: number
  readonly digest: string
}

/**
 * ContentAddressableStorage.GetTree (rule 16): the whole tree in one stream of messages, each
 * distinct directory once, as its bytes are stored. All messages but the last carry a token
 * by which a broken stream can be resumed there. A token is a position in the walk, so that
 * no state is kept; the walk is done again.
 */
export async function getTree(context: CacheContext, bytes: Buffer, call: Call, send: Send): Promise<void> {
  const request = decodeMessage(re.GetTreeRequest, bytes)
  assertInstance(request.instanceName, context.instances)
  const root = requestDigest(request.rootDigest, request.digestFunction, 'root_digest')
  if (request.pageSize < 0) throw new Failure('invalid', 'page_size is negative')
  const from = request.pageToken === '' ? undefined : parseToken(request.pageToken)
  await call.reserve(pageMemoryBytes)
  const page = createPage(context, request.pageSize || Number.POSITIVE_INFINITY, call, send)
  await sendTree(context, root, from, page)
}

async function sendTree(context: CacheContext, root: Digest, from: Position | undefined, page: Page): Promise<void> {
  let index = 0
  for await (const { digest, found } of walkDirectories(context.blobs, root)) {
    if (index === 0 && !found) throw absent(context, root, 'directory')
    if (index === from?.index && digestText(digest) !== from.digest) throw badToken('the tree is no longer the same')
    if (found && index >= (from?.index ?? 0)) await page.add(found.bytes, { index, digest: digestText(digest) })
    index += 1
  }
  await page.flush()
}

/** A page, the directories that it is made of, and those that are read ahead. */
const pageMemoryBytes = 3 * batchBytesMax

interface Page {
  add(directory: Uint8Array, position: Position): Promise<void>
  /** Sends what is left as the last message. */
  flush(next?: Position): Promise<void>
}

function createPage(context: CacheContext, directoriesMax: number, call: Call, send: Send): Page {
  let directories: Uint8Array[] = []
  let length = 0

  async function flush(next?: Position): Promise<void> {
    const message = encodePage(directories, length, next ? formatToken(next) : '')
    context.counts.sent(message.length)
    directories = []
    length = 0
    const wait = send(message)
    call.release()
    await wait
    if (next) await call.reserve(pageMemoryBytes)
  }

  return {
    flush,
    async add(directory, position) {
      const added = fieldLength(directory.length)
      const full = directories.length >= directoriesMax || length + added > batchBytesMax
      if (full && directories.length > 0) await flush(position)
      directories.push(directory)
      length += added
    },
  }
}

/** GetTreeResponse around the directories' own bytes, so that fields unknown to us survive. */
function encodePage(directories: readonly Uint8Array[], length: number, token: string): Buffer {
  const message = Buffer.allocUnsafe(length + (token === '' ? 0 : fieldLength(token.length)))
  let at = 0
  for (const directory of directories) {
    message[at] = 0x0a
    at = putVarint(message, at + 1, directory.length)
    message.set(directory, at)
    at += directory.length
  }
  if (token !== '') {
    message[at] = 0x12
    message.write(token, putVarint(message, at + 1, token.length), 'latin1')
  }
  return message
}

function formatToken({ index, digest }: Position): string {
  return Buffer.from(`${index}:${digest}`).toString('base64url')
}

function parseToken(token: string): Position {
  const match = /^(\d{1,9}):([0-9a-f]+\/\d+)$/.exec(Buffer.from(token.slice(0, 512), 'base64url').toString('latin1'))
  if (!match?.[1] || !match[2]) throw badToken('it was not issued by this server')
  return { index: Number(match[1]), digest: match[2] }
}

function badToken(why: string): Failure {
  return new Failure('invalid', `page_token cannot be used: ${why}`, { next: ['Begin again without a page_token.'] })
}
