import { lstat, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Failure } from '../../core/failure.ts'
import { ifThere } from '../../host/files.ts'
import { type Platform, platformText } from '../platform.ts'
import type { ImageSources } from '../sources.ts'
import { builderVersion, missing, ownPaths } from '../tag.ts'
import { type KeptLayers, layerKey } from './kept-layers.ts'
import { folderEntries, type Layer, type LayerEntry, writeLayer } from './layer.ts'
import { nodeOf } from './node-runtime.ts'
import { type Ingredients, packagesOf, programOf } from './program.ts'

export interface LayersOptions {
  readonly epochSeconds: number
  readonly cache: string
  /** Layers of earlier builds; undefined rebuilds every one. */
  readonly kept: KeptLayers | undefined
  /** A folder for this build. */
  readonly work: string
  readonly path: string
  readonly signal: AbortSignal
  readonly say?: (text: string) => void
}

/** The layers of an image that is being built. */
export interface LayerMaker {
  /** Those on top of the base, bottom first. Called for one platform at a time. */
  layersFor(platform: Platform): Promise<readonly Layer[]>
}

/** Node, packages, program and files of a definition as layers, made in parallel. */
export function layerMaker({ file, definition, folder, tree }: ImageSources, options: LayersOptions): LayerMaker {
  let sameForAll: Promise<Layer> | undefined

  async function filesLayer(work: string, signal: AbortSignal): Promise<Layer | null> {
    const from = ownPaths(definition, folder)
    const extracted = join(work, 'files')
    await mkdir(extracted)
    await tree.extract(from, extracted)
    const lists = definition.files.map(async (each, at) => {
      const path = from[at] ?? ''
      if (!(await isThere(join(extracted, path)))) throw await missing(definition, at, { path, tree, file })
      return fileEntries(join(extracted, path), each, { where: file, key: `files[${at}]` })
    })
    const entries = (await Promise.all(lists)).flat()
    if (entries.length === 0) return null
    const { epochSeconds } = options
    return { ...(await writeLayer(entries, join(work, 'files.layer'), epochSeconds, signal)), comment: 'files' }
  }

  return {
    async layersFor(platform) {
      const { node, program } = definition
      const work = join(options.work, platformText(platform).replaceAll('/', '-'))
      await mkdir(work)
      const makers: ((signal: AbortSignal) => Promise<Layer | null>)[] = []
      if (node)
        makers.push(async (signal) =>
          madeOrKept(nodeOf(node, platform, options.cache, work), `node ${node.version}`, work, { ...options, signal }),
        )
      if (program !== undefined) {
        makers.push(async (signal) =>
          madeOrKept(await packagesOf(tree, platform, work, program), 'packages', work, { ...options, signal }),
        )
        makers.push((signal) => {
          const make = async (): Promise<Layer> =>
            madeOrKept(await programOf(tree, options.work, program), 'program', options.work, { ...options, signal })
          sameForAll ??= make()
          return sameForAll
        })
      }
      if (definition.files.length > 0) makers.push((signal) => filesLayer(work, signal))
      return (await sideBySide(makers, options.signal)).filter((each) => each !== null)
    },
  }
}

async function madeOrKept(from: Ingredients, comment: string, work: string, options: LayersOptions): Promise<Layer> {
  const { kept, epochSeconds, signal, say } = options
  const tell = say && ((text: string) => say(`${comment}: ${text}`))
  const key = layerKey([...maker(), epochSeconds, ...from.inputs])
  const file = join(work, `${comment.split(' ')[0]}.layer`)
  const found = await kept?.take(key, file, tell)
  if (found) {
    tell?.('as in an earlier build')
    return { ...found, comment }
  }
  tell?.('being made')
  const entries = await from.entries(options)
  signal.throwIfAborted()
  const layer = await writeLayer(entries, file, epochSeconds, signal)
  await kept?.keep(key, layer, tell)
  return { ...layer, comment }
}

/**
 * What can change the bytes for the same input: zlib compresses differently in other versions and on other processors.
 */
function maker(): readonly unknown[] {
  return [builderVersion, process.versions.node, process.versions.zlib, process.arch]
}

/** Runs all at once; if one fails the others are aborted, and have ended before the failure is thrown. */
async function sideBySide<T>(
  works: readonly ((signal: AbortSignal) => Promise<T>)[],
  signal: AbortSignal,
): Promise<T[]> {
  signal.throwIfAborted()
  const stop = new AbortController()
  const both = AbortSignal.any([signal, stop.signal])
  const running = works.map((each) => each(both))
  try {
    return await Promise.all(running)
  } catch (error) {
    stop.abort(error)
    await Promise.allSettled(running)
    throw error
  }
}

async function isThere(path: string): Promise<boolean> {
  return (await ifThere(lstat(path), 'ENOTDIR')) !== undefined
}

type DefinedFile = ImageSources['definition']['files'][number]

async function fileEntries(
  extracted: string,
  { to, executable }: DefinedFile,
  { where, key }: { where: string; key: string },
): Promise<LayerEntry[]> {
  const facts = await lstat(extracted)
  if (to === '/' && !facts.isDirectory())
    throw new Failure('invalid', `${key}.to: a file cannot be the root folder`, { where })
  const entries = await folderEntries(extracted, to)
  return entries.map((each) => (each.kind === 'file' && executable !== undefined ? { ...each, executable } : each))
}
