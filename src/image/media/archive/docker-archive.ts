import { z } from 'zod'
import { Failure } from '../../../core/failure.ts'
import { configBytesMax, parseConfig } from '../../config.ts'
import { type ContentDigest, contentDigestOf, contentHash, hexOf } from '../../content-digest.ts'
import { expanded } from '../../expand.ts'
import {
  checked,
  type Descriptor,
  layersMax,
  manifestBytesMax,
  parseJson,
  parseManifest,
  type RawManifest,
  serializeManifest,
} from '../../manifest.ts'
import {
  dockerConfig,
  dockerLayer,
  dockerLayerGzip,
  dockerLayerZstd,
  dockerManifest,
  isConfigType,
  layerCompression,
} from '../../media-types.ts'
import type { Destination, Source } from '../../medium.ts'
import { familiarName, type ImageName, imageNameText } from '../../name.ts'
import { once, openTar } from '../../tar/writer.ts'
import { oneAtATime } from './one-at-a-time.ts'
import { assertReplaceable } from './replaceable.ts'
import { openTarSource, type TarSource } from './tar-source.ts'

const path = z.string().min(1).max(4096)
const entrySchema = z.looseObject({
  Config: path,
  RepoTags: z.array(z.string().max(512)).max(1024).nullish(),
  Layers: z.array(path).max(layersMax),
})
const listSchema = z.array(entrySchema).min(1).max(1024)
type Entry = z.output<typeof entrySchema>

/**
 * Opens what `docker save` writes. It has no manifest of the registry's kind, so one is made:
 * the same archive always gives the same one.
 * @param image which, where the archive holds several
 * @throws Failure 'not-found', 'invalid', 'corrupt'
 */
export async function openDockerArchiveSource(
  file: string,
  image: ImageName | undefined,
  temporary: string,
  name = `docker-archive:${file}${image ? `:${imageNameText(image)}` : ''}`,
): Promise<Source> {
  const tar = await openTarSource(file, temporary)
  try {
    const bytes = await tar.small('manifest.json', manifestBytesMax, 'manifest.json, so it is no docker archive')
    const list = checked(listSchema, parseJson(bytes, 'manifest.json', name), 'manifest.json', name)
    const { raw, files } = await describe(tar, chosen(list, image, name), name)
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
export async function openDockerArchiveDestination(file: string, image: ImageName | undefined): Promise<Destination> {
  await assertReplaceable(file)
  const tar = await openTar(file, 0)
  const written = new Map<ContentDigest, string>()
  const inTurn = oneAtATime()
  let entry: Entry | undefined
  return {
    name: `docker-archive:${file}${image ? `:${imageNameText(image)}` : ''}`,
    holds: 'one-docker-image',
    parallelMax: 1,
    hasBlob: async (descriptor) => written.has(descriptor.digest),
    putBlob: (descriptor, open) =>
      inTurn(async () => {
        if (written.has(descriptor.digest)) return 'present'
        const path = `${hexOf(descriptor.digest)}${isConfigType(descriptor.mediaType) ? '.json' : '.tar'}`
        if (layerCompression(descriptor.mediaType) === 'zstd')
          await tar.addUnsized(path, expanded(await open(), 'zstd'))
        else await tar.add(path, descriptor.size, await open())
        written.set(descriptor.digest, path)
        return 'written'
      }),
    async putManifest(raw) {
      const manifest = parseManifest(raw, file)
      if (manifest.kind === 'index')
        throw new Failure('invalid', 'a docker archive holds one image, no index', { where: file })
      const at = (each: Descriptor): string => {
        const path = written.get(each.digest)
        if (path === undefined)
          throw new Failure('precondition', `the blob ${each.digest} was not written yet`, { where: file })
        return path
      }
      entry = {
        Config: at(manifest.config),
        RepoTags: image ? [familiarName(image)] : null,
        Layers: manifest.layers.map(at),
      }
    },
    async commit() {
      const list = Buffer.from(JSON.stringify(entry ? [entry] : []))
      await tar.add('manifest.json', list.byteLength, once(list))
      await tar.finish()
    },
    abort: () => tar.discard(),
  }
}

function chosen(list: readonly Entry[], image: ImageName | undefined, where: string): Entry {
  const wanted = image && familiarName(image)
  const fit = wanted === undefined ? list : list.filter((each) => each.RepoTags?.some((tag) => isName(tag, wanted)))
  const [only, ...others] = fit
  if (only && others.length === 0) return only
  const names = list.flatMap((each) => each.RepoTags ?? []).slice(0, 20)
  if (!only)
    throw new Failure(
      'not-found',
      `the archive holds no image "${wanted}"; it holds ${names.join(', ') || 'unnamed ones'}`,
      { where },
    )
  throw new Failure('invalid', `the archive holds ${fit.length} images: ${names.join(', ')}`, {
    where,
    next: ['Name one: docker-archive:PATH:NAME:TAG.'],
  })
}

/** docker writes `app:1`, podman and skopeo `docker.io/library/app:1`; both mean the same. */
function isName(tag: string, wanted: string): boolean {
  return tag === wanted || tag === `docker.io/${wanted}` || tag === `docker.io/library/${wanted}`
}

async function describe(
  tar: TarSource,
  entry: Entry,
  where: string,
): Promise<{ raw: RawManifest; files: Map<ContentDigest, string> }> {
  const files = new Map<ContentDigest, string>()
  const bytes = await tar.small(entry.Config, configBytesMax, 'its config')
  const diffIds = parseConfig(bytes, where).rootfs.diff_ids
  if (diffIds.length !== entry.Layers.length)
    throw new Failure('invalid', `the archive lists ${entry.Layers.length} layers and its config ${diffIds.length}`, {
      where,
    })
  const config: Descriptor = { mediaType: dockerConfig, size: bytes.byteLength, digest: contentDigestOf(bytes) }
  files.set(config.digest, entry.Config)
  const layers: Descriptor[] = []
  for (const [at, file] of entry.Layers.entries()) {
    const layer = await describeLayer(tar, file, diffIds[at])
    files.set(layer.digest, file)
    layers.push(layer)
  }
  const { mediaType, digest, size } = config
  const document = { schemaVersion: 2, mediaType: dockerManifest, config: { mediaType, size, digest }, layers }
  return { raw: serializeManifest(document, dockerManifest), files }
}

/** A layer that is plain tar has its diff id as digest, which is checked when it is read; a compressed one is hashed. */
async function describeLayer(tar: TarSource, file: string, diffId: ContentDigest | undefined): Promise<Descriptor> {
  const size = tar.files.get(file)?.size ?? 0
  let mediaType: string | undefined
  const hash = contentHash()
  for await (const chunk of tar.content(file, 'one of its layers')) {
    if (mediaType === undefined) {
      mediaType = layerType(chunk)
      if (mediaType === dockerLayer && diffId !== undefined) return { mediaType, size, digest: diffId }
    }
    hash.update(chunk)
  }
  return { mediaType: mediaType ?? dockerLayer, size, digest: `sha256:${hash.digest('hex')}` }
}

function layerType(start: Uint8Array): string {
  if (start[0] === 0x1f && start[1] === 0x8b) return dockerLayerGzip
  const isZstd = start[0] === 0x28 && start[1] === 0xb5 && start[2] === 0x2f && start[3] === 0xfd
  return isZstd ? dockerLayerZstd : dockerLayer
}
