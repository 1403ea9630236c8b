import type { Hash } from 'node:crypto'
import { posix } from 'node:path'
import { z } from 'zod'
import { type ExpansionLimits, expanded } from '../../../archive/expand.ts'
import { Failure } from '../../../core/failure.ts'
import { configBytesMax, parseConfig } from '../../config.ts'
import { algorithmOf, type ContentDigest, contentHash, hexOf } from '../../content-digest.ts'
import { listOf, text } from '../../go-json.ts'
import {
  checked,
  type Descriptor,
  layersMax,
  type Manifest,
  manifestBytesMax,
  parseJson,
  parseManifest,
} from '../../manifest.ts'
import { isConfigType, layerCompression } from '../../media-types.ts'
import type { Destination, OpenBlob, Source } from '../../medium.ts'
import { familiarName, type ImageName, imageNameText } from '../../name.ts'
import { openTar } from '../../tar/writer.ts'
import { verifiedBytes } from '../../verified.ts'
import { describe } from './made-manifest.ts'
import { oneAtATime } from './one-at-a-time.ts'
import { assertReplaceable } from './replaceable.ts'
import { openTarSource } from './tar-source.ts'

/** Hand-made archives have names that begin with `./`. */
const path = z
  .string()
  .min(1)
  .max(4096)
  .transform((name) => posix.normalize(name))
const entrySchema = z.looseObject({
  Config: path,
  RepoTags: listOf(text(512), 1024),
  Layers: listOf(path, layersMax),
})
const listSchema = z.array(entrySchema).min(1).max(1024)
type Entry = z.output<typeof entrySchema>

/**
 * Opens what `docker save` writes. It has no manifest of the registry's kind, so one is made:
 * the same archive always gives the same one.
 * @param image which, where the archive holds several
 * @param signal ends the reading that opening it may take: a compressed archive is expanded, compressed layers are hashed
 * @throws Failure 'not-found', 'invalid', 'corrupt'
 */
export async function openDockerArchiveSource(
  file: string,
  image: ImageName | undefined,
  temporary: string,
  signal?: AbortSignal,
  name = `docker-archive:${file}${image ? `:${imageNameText(image)}` : ''}`,
  limits?: ExpansionLimits,
): Promise<Source> {
  const tar = await openTarSource(file, temporary, signal, limits)
  try {
    const bytes = await tar.small('manifest.json', manifestBytesMax, 'manifest.json, so it is not a docker archive')
    const list = checked(listSchema, parseJson(bytes, 'manifest.json', name), 'manifest.json', name)
    const { raw, files } = await describe(tar, chosen(list, image, name), name, signal)
    return {
      name,
      manifest: async (digest = raw.digest) => {
        if (digest === raw.digest) return raw
        throw new Failure('not-found', `a docker archive has no manifest ${digest}`, { where: name })
      },
      async blob(descriptor) {
        const file = files.get(descriptor.digest)
        if (file === undefined)
          throw new Failure('not-found', `the archive has no blob ${descriptor.digest}`, { where: name })
        return tar.content(file, `the blob ${descriptor.digest}`)
      },
      close: () => tar.close(),
    }
  } catch (error) {
    await tar.close()
    throw error
  }
}

/**
 * A tar file that `docker load` takes: one image, `manifest.json` beside its config and layers.
 * A layer of zstd is expanded, since docker 20.10 ends with "unexpected EOF" on it; the config, and
 * so docker's id of the image, does not change.
 * @param image the name that docker is to give it
 * @throws Failure 'exists'
 */
export async function openDockerArchiveDestination(
  file: string,
  image: ImageName | undefined,
  limits?: ExpansionLimits,
): Promise<Destination> {
  await assertReplaceable(file)
  const tar = await openTar(file, 0)
  const written = new Map<ContentDigest, string>()
  const configs = new Map<ContentDigest, Uint8Array>()
  const expandedTo = new Map<ContentDigest, ContentDigest>()
  const inTurn = oneAtATime()
  let entry: object | undefined

  async function put(descriptor: Descriptor, path: string, open: OpenBlob): Promise<void> {
    if (layerCompression(descriptor.mediaType) === 'zstd') {
      const hash = contentHash()
      await tar.addUnsized(path, hashed(expanded(await open(), 'zstd', descriptor.digest, limits), hash))
      expandedTo.set(descriptor.digest, `sha256:${hash.digest('hex')}`)
    } else if (isConfigType(descriptor.mediaType)) {
      const bytes = await verifiedBytes(await open(), descriptor, configBytesMax, file)
      configs.set(descriptor.digest, bytes)
      await tar.addBytes(path, bytes)
    } else await tar.add(path, descriptor.size, await open())
  }

  return {
    name: `docker-archive:${file}${image ? `:${imageNameText(image)}` : ''}`,
    holds: 'one-docker-image',
    parallelMax: 1,
    hasBlob: async (descriptor) => written.has(descriptor.digest),
    putBlob: (descriptor, open) =>
      inTurn(async () => {
        if (written.has(descriptor.digest)) return 'present'
        const path = `${hexOf(descriptor.digest)}${isConfigType(descriptor.mediaType) ? '.json' : '.tar'}`
        await put(descriptor, path, open)
        written.set(descriptor.digest, path)
        return 'written'
      }),
    async putManifest(raw) {
      const manifest = parseManifest(raw, file)
      if (manifest.kind === 'index')
        throw new Failure('invalid', 'a docker archive can hold one image, but not an index', { where: file })
      const at = (each: Descriptor): string => {
        const path = written.get(each.digest)
        if (path === undefined)
          throw new Failure('precondition', `the blob ${each.digest} was not written yet`, { where: file })
        return path
      }
      assertLoads(manifest, configs.get(manifest.config.digest), expandedTo, file)
      entry = {
        Config: at(manifest.config),
        RepoTags: image ? [familiarName(image)] : null,
        Layers: manifest.layers.map(at),
      }
    },
    async commit() {
      const list = Buffer.from(JSON.stringify(entry ? [entry] : []))
      await tar.addBytes('manifest.json', list)
      await tar.finish()
    },
    abort: () => tar.discard(),
  }
}

/**
 * Refuses what no reader of such archives accepts, docker least of all.
 * @param config undefined if the config is not an image's
 */
function assertLoads(
  { config: descriptor, layers }: Manifest,
  config: Uint8Array | undefined,
  expandedTo: ReadonlyMap<ContentDigest, ContentDigest>,
  where: string,
): void {
  const refused = (why: string): Failure =>
    new Failure('invalid', `a docker archive can only hold images, but ${why}`, { where })
  if (!config) throw refused(`this is an artifact, with a config of the type ${descriptor.mediaType}`)
  const diffIds = parseConfig(config, where).rootfs.diff_ids
  if (diffIds.length !== layers.length)
    throw refused(`the config of this one names ${diffIds.length} layers, its manifest ${layers.length}`)
  assertDiffIds(layers, diffIds, expandedTo, where)
}

/**
 * Whether layers expanded to what their config says: an expanded one stands in the archive without the
 * digest that it was verified by.
 */
function assertDiffIds(
  layers: readonly Descriptor[],
  diffIds: readonly ContentDigest[],
  expandedTo: ReadonlyMap<ContentDigest, ContentDigest>,
  where: string,
): void {
  for (const [at, { digest }] of layers.entries()) {
    const [found, said] = [expandedTo.get(digest), diffIds[at]]
    // docker only knows sha256 diff ids; others are left to the reader.
    if (found === undefined || found === said || (said && algorithmOf(said) !== 'sha256')) continue
    throw new Failure('corrupt', `${digest} expands to ${found}, the config says ${said ?? 'nothing'}`, { where })
  }
}

async function* hashed(content: AsyncIterable<Uint8Array>, hash: Hash): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const piece of content) {
    hash.update(piece)
    yield piece
  }
}

function chosen(list: readonly Entry[], image: ImageName | undefined, where: string): Entry {
  const wanted = image && familiarName(image)
  const fit = wanted === undefined ? list : list.filter((each) => each.RepoTags.some((tag) => isName(tag, wanted)))
  const [only, ...others] = fit
  if (only && others.length === 0) return only
  const names = list.flatMap((each) => each.RepoTags).slice(0, 20)
  if (!only)
    throw new Failure(
      'not-found',
      `the archive has no image "${wanted}"; it has ${names.join(', ') || 'unnamed ones'}`,
      { where },
    )
  throw new Failure('invalid', `the archive has ${fit.length} images: ${names.join(', ')}`, {
    where,
    next: ['Name one: docker-archive:PATH:NAME:TAG.'],
  })
}

/** docker writes `app:1`, podman and skopeo `docker.io/library/app:1`; both mean the same. */
function isName(tag: string, wanted: string): boolean {
  return tag === wanted || tag === `docker.io/${wanted}` || tag === `docker.io/library/${wanted}`
}
