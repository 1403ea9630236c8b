import { type Digest, type DigestFunction, digestFunctions } from '../../core/digest.ts'
import { Failure } from '../../core/failure.ts'
import { digestOf } from '../../core/hash.ts'
import type { Results } from '../results.ts'

/** Of which chunks a blob consists, and how they were found. */
export interface Layout {
  readonly chunks: readonly Digest[]
  /** ChunkingFunction.Value in the Remote Execution API: 0 where a client did not say. */
  readonly chunkingFunction: number
}

/** The layouts of blobs that are stored in chunks alone. */
export interface Layouts {
  /** Undefined when there is none, or none that can be read. No use of the chunks. */
  get(digest: Digest): Promise<Layout | undefined>
  /** The digest of the blob with this hash that has a layout. */
  locate(fn: DigestFunction, hash: string): Promise<Digest | undefined>
  put(digest: Digest, layout: Layout): Promise<void>
  delete(digest: Digest): Promise<void>
}

/** A blob in more chunks has no layout: it is stored whole. */
export const chunksMax = 16_384

/**
 * The size in the digest under which a layout stands among the action results. No action is that
 * long, and tools' objects have another one: whatever clients name, they do not reach a layout.
 */
const layoutDigestSize = 2 ** 52 + 1
const version = 1
const headBytes = 10
const lengthBytes = 4

/** Layouts share the bound, the eviction and the durability of action results. */
export function createLayouts(results: Results): Layouts {
  async function find(fn: DigestFunction, hash: string): Promise<(Layout & { readonly size: number }) | undefined> {
    const key = layoutKey(fn, hash)
    const value = await results.get(key)
    if (!value) return undefined
    const layout = decode(fn, Buffer.from(value.buffer, value.byteOffset, value.byteLength))
    if (!layout) await results.delete(key)
    return layout
  }

  return {
    async get({ fn, hash, size }) {
      const layout = await find(fn, hash)
      return layout?.size === size ? { chunks: layout.chunks, chunkingFunction: layout.chunkingFunction } : undefined
    },
    async locate(fn, hash) {
      const layout = await find(fn, hash)
      return layout && { fn, hash, size: layout.size }
    },
    put: ({ fn, hash, size }, layout) => results.put(layoutKey(fn, hash), encode(fn, size, layout)),
    delete: ({ fn, hash }) => results.delete(layoutKey(fn, hash)),
  }
}

function layoutKey(fn: DigestFunction, hash: string): Digest {
  return { fn: 'sha256', hash: digestOf('sha256', Buffer.from(`layout\0${fn}\0${hash}`)).hash, size: layoutDigestSize }
}

/** Version, chunking function, size of the blob in 8 bytes; then for each chunk its length in 4 bytes and its hash. */
function encode(fn: DigestFunction, size: number, { chunks, chunkingFunction }: Layout): Buffer {
  if (chunks.length > chunksMax) throw new Failure('invalid', `a layout has at most ${chunksMax} chunks`)
  const head = Buffer.alloc(headBytes)
  head[0] = version
  head[1] = chunkingFunction
  head.writeBigUInt64BE(BigInt(size), 2)
  const entries = chunks.map((chunk) => {
    const entry = Buffer.alloc(lengthBytes + digestFunctions[fn].hexLength / 2)
    entry.writeUInt32BE(chunk.size)
    entry.write(chunk.hash, lengthBytes, 'hex')
    return entry
  })
  return Buffer.concat([head, ...entries])
}

/** @returns undefined for what another version has written, and for what does not add up */
function decode(fn: DigestFunction, value: Buffer): (Layout & { readonly size: number }) | undefined {
  const entryBytes = lengthBytes + digestFunctions[fn].hexLength / 2
  if (value[0] !== version || (value.length - headBytes) % entryBytes !== 0) return undefined
  const chunks: Digest[] = []
  for (let at = headBytes; at < value.length; at += entryBytes)
    chunks.push({ fn, size: value.readUInt32BE(at), hash: value.toString('hex', at + lengthBytes, at + entryBytes) })
  const size = Number(value.readBigUInt64BE(2))
  if (chunks.reduce((sum, chunk) => sum + chunk.size, 0) !== size) return undefined
  return { chunks, chunkingFunction: value[1] ?? 0, size }
}
