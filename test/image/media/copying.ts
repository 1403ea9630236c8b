import { createHash } from 'node:crypto'
import { mkdir, readdir, readlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type CopyOptions, copyImage } from '../../../src/image/copy.ts'
import { openDestination, openSource } from '../../../src/image/open.ts'
import { parseReference } from '../../../src/image/reference.ts'
import { validateImage } from '../../../src/image/validate.ts'
import { type ImageFixture, makeImage, sha256, writeLayout } from '../../fixture/image.ts'
import { testImageContext } from '../../fixture/image-context.ts'
import { spoiled } from '../../fixture/spoiled.ts'

export const signal = new AbortController().signal
export const one: CopyOptions = { platform: { os: 'linux', architecture: 'amd64' }, preserveDigests: false, signal }

export async function copy(folder: string, from: string, to: string, options: Partial<CopyOptions> = {}) {
  const source = spoiled(await openSource(parseReference(from), testImageContext(folder)))
  try {
    const destination = await openDestination(parseReference(to), testImageContext(folder))
    return await copyImage(source, destination, { ...one, ...options })
  } finally {
    await source.close()
  }
}

export async function validate(folder: string, reference: string) {
  const source = spoiled(await openSource(parseReference(reference), testImageContext(folder)))
  try {
    return await validateImage(source, signal)
  } finally {
    await source.close()
  }
}

export const layoutOf = async (folder: string, options = {}): Promise<string> => {
  const path = join(folder, 'in')
  await writeLayout(path, await makeImage(options), 'v1')
  return path
}

/** Files below a folder that this process has open, where the system tells. */
export async function openFiles(folder: string): Promise<string[]> {
  if (process.platform !== 'linux') return []
  const own = '/proc/self/fd'
  const paths = (await readdir(own)).map((each) => readlink(join(own, each)).catch(() => ''))
  return (await Promise.all(paths)).filter((each) => each.startsWith(folder))
}

/** A frame of zstd that is skipped (RFC 8878, 3.1.2), 8 bytes longer than what it holds. */
export function skipped(bytes: number): Buffer {
  const header = Buffer.alloc(8)
  header.writeUInt32LE(0x184d2a50, 0)
  header.writeUInt32LE(bytes, 4)
  return Buffer.concat([header, Buffer.alloc(bytes, 9)])
}

/** An image of blobs as they are. */
export function imageOf(config: Buffer, layers: readonly Buffer[], type = 'layer.v1.tar+zstd'): ImageFixture {
  const describe = (suffix: string, blob: Buffer) => ({
    mediaType: `application/vnd.oci.image.${suffix}`,
    digest: sha256(blob),
    size: blob.byteLength,
  })
  const document = {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: describe('config.v1+json', config),
    layers: layers.map((each) => describe(type, each)),
  }
  const manifest = Buffer.from(JSON.stringify(document))
  return { config, layers, manifest, digest: sha256(manifest) }
}

export function sha512(bytes: Uint8Array): string {
  return `sha512:${createHash('sha512').update(bytes).digest('hex')}`
}

/** A layout in which everything is named by sha512. */
export async function writeSha512Layout(path: string): Promise<string> {
  const { config, layers } = await makeImage()
  let text = imageOf(config, layers, 'layer.v1.tar+gzip').manifest.toString()
  for (const blob of [config, ...layers]) text = text.replace(sha256(blob), sha512(blob))
  const manifest = Buffer.from(text)
  await mkdir(join(path, 'blobs/sha512'), { recursive: true })
  for (const blob of [config, ...layers, manifest])
    await writeFile(join(path, 'blobs/sha512', sha512(blob).slice(7)), blob)
  const entry = {
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    digest: sha512(manifest),
    size: manifest.byteLength,
  }
  await writeFile(join(path, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
  await writeFile(join(path, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [entry] }))
  return sha512(manifest)
}
