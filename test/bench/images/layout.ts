import { createHash, randomFillSync } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdir, open, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { encodeHeader, endOfArchive, padding } from '../../../src/archive/tar-header.ts'

const pieceBytes = 2 ** 20
const type = 'application/vnd.oci.image'

interface MadeLayer {
  readonly descriptor: { readonly mediaType: string; readonly digest: string; readonly size: number }
  readonly diffId: string
}

/**
 * An OCI layout of one image, named v1, whose layers hold a file of random bytes each. They are
 * gzip streams, or skopeo would compress them on the way, but stored, since making them is not
 * what is timed.
 */
export async function makeLayout(folder: string, layers: number, layerBytes: number): Promise<void> {
  await mkdir(join(folder, 'blobs/sha256'), { recursive: true })
  const made: MadeLayer[] = []
  for (let at = 0; at < layers; at += 1) made.push(await randomLayer(folder, layerBytes))
  await writeImage(folder, made)
}

/** A layout whose one layer is a tar of zeros, which takes no room on the disk. */
export async function makeSparseLayout(folder: string, bytes: number): Promise<void> {
  await mkdir(join(folder, 'blobs/sha256'), { recursive: true })
  const hash = createHash('sha256')
  const zeros = Buffer.alloc(pieceBytes)
  for (let done = 0; done < bytes; done += pieceBytes) hash.update(zeros)
  const hex = hash.digest('hex')
  const handle = await open(join(folder, 'blobs/sha256', hex), 'w')
  await handle.truncate(bytes)
  await handle.close()
  const descriptor = { mediaType: `${type}.layer.v1.tar`, digest: `sha256:${hex}`, size: bytes }
  await writeImage(folder, [{ descriptor, diffId: descriptor.digest }])
}

async function randomLayer(folder: string, bytes: number): Promise<MadeLayer> {
  const inside = createHash('sha256')
  const outside = createHash('sha256')
  const temporary = join(folder, 'layer')
  let size = 0
  await pipeline(
    function* () {
      for (const piece of randomTar(bytes)) {
        inside.update(piece)
        yield piece
      }
    },
    createGzip({ level: 0, chunkSize: pieceBytes }),
    async function* (pieces: AsyncIterable<Buffer>) {
      for await (const piece of pieces) {
        outside.update(piece)
        size += piece.byteLength
        yield piece
      }
    },
    createWriteStream(temporary),
  )
  const hex = outside.digest('hex')
  await rename(temporary, join(folder, 'blobs/sha256', hex))
  return {
    descriptor: { mediaType: `${type}.layer.v1.tar+gzip`, digest: `sha256:${hex}`, size },
    diffId: `sha256:${inside.digest('hex')}`,
  }
}

function* randomTar(bytes: number): Generator<Buffer> {
  yield encodeHeader({ name: 'random', type: 'file', mode: 0o644, size: bytes, mtime: 0 })
  for (let done = 0; done < bytes; done += pieceBytes)
    yield randomFillSync(Buffer.alloc(Math.min(pieceBytes, bytes - done)))
  yield padding(bytes)
  yield endOfArchive
}

async function writeImage(folder: string, layers: readonly MadeLayer[]): Promise<void> {
  const put = async (document: object) => {
    const bytes = Buffer.from(JSON.stringify(document))
    const hex = createHash('sha256').update(bytes).digest('hex')
    await writeFile(join(folder, 'blobs/sha256', hex), bytes)
    return { digest: `sha256:${hex}`, size: bytes.byteLength }
  }
  const config = await put({
    os: 'linux',
    architecture: 'amd64',
    config: {},
    rootfs: { type: 'layers', diff_ids: layers.map((each) => each.diffId) },
  })
  const manifest = await put({
    schemaVersion: 2,
    mediaType: `${type}.manifest.v1+json`,
    config: { mediaType: `${type}.config.v1+json`, ...config },
    layers: layers.map((each) => each.descriptor),
  })
  const entry = {
    mediaType: `${type}.manifest.v1+json`,
    ...manifest,
    annotations: { 'org.opencontainers.image.ref.name': 'v1' },
  }
  await writeFile(join(folder, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [entry] }))
  await writeFile(join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
}
