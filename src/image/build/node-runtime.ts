import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { createGunzip } from 'node:zlib'
import { Failure } from '../../core/failure.ts'
import type { ImageDefinition } from '../definition.ts'
import { sizeIfThere } from '../media/files.ts'
import { type Platform, platformText } from '../platform.ts'
import { extractTar } from '../tar/extract.ts'
import type { LayerEntry } from './layer.ts'
import { type NpmOptions, npm } from './npm.ts'

type NodePins = NonNullable<ImageDefinition['node']>
const place = '/usr/local/bin/node'

/**
 * The Node of the image: the official binary for its platform out of the npm package that the
 * definition pins. The archive is kept in the cache under its own hash, so it is fetched once.
 * @param cache a folder that is kept
 * @param work a folder for this build
 * @throws Failure 'corrupt' when npm gives other bytes than are pinned, 'program'
 */
export async function nodeEntry(
  pins: NodePins,
  platform: Platform,
  cache: string,
  work: string,
  options: NpmOptions,
): Promise<LayerEntry> {
  const pin = pins.packages[platformText(platform)]
  if (!pin)
    throw new Failure('invalid', `the definition pins no Node for ${platformText(platform)}`, {
      where: 'node.packages',
    })
  const archive = await cachedArchive(`${pin.name}@${pins.version}`, pin.integrity, cache, options)
  const folder = join(work, 'node')
  await mkdir(folder, { recursive: true })
  const tar = createReadStream(archive).pipe(createGunzip())
  await extractTar(tar, folder, (name) => (name === 'package/bin/node' ? 'node' : undefined))
  const file = join(folder, 'node')
  if ((await sizeIfThere(file)) === undefined)
    throw new Failure('invalid', `the package ${pin.name} holds no bin/node`, { where: 'node.packages' })
  return { path: place, kind: 'file', from: file, size: (await stat(file)).size, executable: true }
}

async function cachedArchive(spec: string, integrity: string, cache: string, options: NpmOptions): Promise<string> {
  const key = Buffer.from(integrity.slice('sha512-'.length), 'base64').toString('hex')
  const file = join(cache, 'node', `${key}.tgz`)
  if ((await sizeIfThere(file)) !== undefined && (await integrityOf(file)) === integrity) return file
  await mkdir(join(cache, 'node'), { recursive: true })
  const folder = await mkdtemp(join(cache, 'node', 'fetch-'))
  try {
    const name = (await npm(['pack', spec, '--silent', '--pack-destination', folder], folder, options))
      .trim()
      .split('\n')
      .at(-1)
    const fetched = join(folder, name ?? '')
    const found = await integrityOf(fetched)
    if (found !== integrity)
      throw new Failure('corrupt', `npm gave another archive of ${spec} than the definition pins`, {
        where: 'node.packages',
        next: [`Pinned is ${integrity}, it is ${found}.`],
      })
    await rename(fetched, file)
    return file
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function integrityOf(file: string): Promise<string> {
  const hash = createHash('sha512')
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer)
  return `sha512-${hash.digest('base64')}`
}
