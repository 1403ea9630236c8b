import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { expanded } from '../../archive/expand.ts'
import { Failure } from '../../core/failure.ts'
import type { ImageDefinition } from '../definition.ts'
import { fileContent, sizeIfThere } from '../media/files.ts'
import { type Platform, platformText } from '../platform.ts'
import { extractTar } from '../tar/extract.ts'
import { type NpmOptions, npm } from './npm.ts'
import type { Ingredients } from './program.ts'

type NodePins = NonNullable<ImageDefinition['node']>
const place = '/usr/local/bin/node'

/**
 * The image's Node: the official binary for its platform from the npm package that the definition pins. The archive is
 * cached under its own hash, so it is fetched once.
 * @param cache a persistent folder
 * @param work a folder for this build
 * @throws Failure 'invalid' for a platform without a pin; entries: 'corrupt' when npm returns bytes that do not match
 *   the pin, 'program'
 */
export function nodeOf(pins: NodePins, platform: Platform, cache: string, work: string): Ingredients {
  const pin = pins.packages[platformText(platform)]
  if (!pin)
    throw new Failure('invalid', `the definition does not pin a Node for ${platformText(platform)}`, {
      where: 'node.packages',
    })
  return {
    inputs: ['node', place, pin.integrity],
    async entries(options) {
      const archive = await cachedArchive(`${pin.name}@${pins.version}`, pin.integrity, cache, options)
      const folder = join(work, 'node')
      await mkdir(folder, { recursive: true })
      const tar = expanded(await fileContent(archive, 'the archive of Node'), 'gzip', archive)
      await extractTar(tar, folder, (name) => (name === 'package/bin/node' ? 'node' : undefined))
      const file = join(folder, 'node')
      const size = await sizeIfThere(file)
      if (size === undefined)
        throw new Failure('invalid', `the package ${pin.name} has no bin/node`, { where: 'node.packages' })
      return [{ path: place, kind: 'file', from: file, size, executable: true }]
    },
  }
}

async function cachedArchive(spec: string, integrity: string, cache: string, options: NpmOptions): Promise<string> {
  const key = Buffer.from(integrity.slice('sha512-'.length), 'base64').toString('hex')
  const file = join(cache, 'node', `${key}.tgz`)
  if ((await sizeIfThere(file)) !== undefined && (await integrityOf(file)) === integrity) return file
  await mkdir(join(cache, 'node'), { recursive: true })
  const folder = await mkdtemp(join(cache, 'node', 'fetch-'))
  try {
    await npm(['pack', spec, '--pack-destination', folder], folder, options)
    const fetched = join(folder, (await readdir(folder))[0] ?? '')
    const found = await integrityOf(fetched)
    if (found !== integrity)
      throw new Failure('corrupt', `npm returned an archive of ${spec} that is not the one pinned in the definition`, {
        where: 'node.packages',
        next: [`The pinned one is ${integrity}, the one returned is ${found}.`],
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
