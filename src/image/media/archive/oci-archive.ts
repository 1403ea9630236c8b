import type { ExpansionLimits } from '../../../archive/expand.ts'
import type { ContentDigest } from '../../content-digest.ts'
import type { Descriptor } from '../../manifest.ts'
import type { Destination, Source } from '../../medium.ts'
import { openTar } from '../../tar/writer.ts'
import { blobPath, indexBytes, layoutEntry, layoutSource, layoutText } from '../layout.ts'
import { oneAtATime } from './one-at-a-time.ts'
import { assertReplaceable } from './replaceable.ts'
import { openTarSource } from './tar-source.ts'

/** Every entry's time, so that the same image gives the same archive. */
const mtime = 0

/**
 * Opens an OCI layout in a tar file.
 * @param signal ends the expanding that a compressed one takes
 */
export async function openOciArchiveSource(
  path: string,
  image: string | undefined,
  temporary: string,
  signal?: AbortSignal,
  limits?: ExpansionLimits,
): Promise<Source> {
  const tar = await openTarSource(path, temporary, signal, limits)
  const name = `oci-archive:${path}${image === undefined ? '' : `:${image}`}`
  try {
    return await layoutSource(
      {
        name,
        small: (file, bytesMax, what) => tar.small(file, bytesMax, what),
        content: async (file, what) => tar.content(file, what),
        close: () => tar.close(),
      },
      image,
    )
  } catch (error) {
    await tar.close()
    throw error
  }
}

/**
 * A tar file with an OCI layout of one image. An archive that stands there is replaced at the
 * end, as a whole; any other file is left alone.
 * @throws Failure 'exists'
 */
export async function openOciArchiveDestination(path: string, image: string | undefined): Promise<Destination> {
  await assertReplaceable(path)
  const tar = await openTar(path, mtime)
  const written = new Set<ContentDigest>()
  const inTurn = oneAtATime()
  let root: Descriptor | undefined
  return {
    name: `oci-archive:${path}${image === undefined ? '' : `:${image}`}`,
    holds: 'oci',
    parallelMax: 1,
    hasBlob: async (descriptor) => written.has(descriptor.digest),
    putBlob: (descriptor, open) =>
      inTurn(async () => {
        if (written.has(descriptor.digest)) return 'present'
        await tar.add(blobPath(descriptor.digest), descriptor.size, await open())
        written.add(descriptor.digest)
        return 'written'
      }),
    putManifest: (raw, isRoot) =>
      inTurn(async () => {
        if (isRoot) root = layoutEntry(raw, image)
        if (written.has(raw.digest)) return
        await tar.addBytes(blobPath(raw.digest), raw.bytes)
        written.add(raw.digest)
      }),
    async commit() {
      await tar.addBytes('index.json', indexBytes(root ? [root] : []))
      await tar.addBytes('oci-layout', Buffer.from(layoutText))
      await tar.finish()
    },
    abort: () => tar.discard(),
  }
}
