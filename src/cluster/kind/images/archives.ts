import { z } from 'zod'
import { Failure } from '../../../core/failure.ts'
import { openTarSource } from '../../../image/media/archive/tar-source.ts'
import { imageNameText, parseImageName } from '../../../image/name.ts'
import type { ImageArchive, KindContext } from '../context.ts'
import { readKindMemory } from '../state.ts'

const listBytesMax = 4 * 1024 * 1024
const list = z
  .array(z.looseObject({ RepoTags: z.array(z.string().max(512)).max(1024).nullish() }))
  .min(1)
  .max(1024)

/** An archive, and the full names of all images in it. */
export interface NamedArchive {
  readonly file: string
  readonly names: string[]
}

/** The archives from the settings and those given to `up`, with their contents. */
export async function archivesWithNames(context: KindContext): Promise<NamedArchive[]> {
  const memory = await readKindMemory(context.paths)
  const all: ImageArchive[] = [...context.settings.archives, ...(memory?.archives ?? [])]
  const named: NamedArchive[] = []
  for (const { file, names } of all)
    named.push({ file, names: names ? names.map(fullImageName) : await archiveNames(file, context.user.tmp) })
  return named
}

/**
 * The full names of the images in an archive of `docker save`, as its manifest.json says.
 * @param temporary where a compressed one is expanded to be read
 * @throws Failure 'not-found', 'corrupt', 'invalid' for an archive without names
 */
export async function archiveNames(file: string, temporary: string): Promise<string[]> {
  const tar = await openTarSource(file, temporary)
  try {
    const bytes = await tar.small(
      'manifest.json',
      listBytesMax,
      'manifest.json, so it is not an archive of `docker save`',
    )
    const entries = parsed(bytes, file)
    const names = entries.flatMap(({ RepoTags }) => RepoTags ?? []).map(fullImageName)
    if (names.length > 0) return names
    throw new Failure('invalid', 'the images in the archive have no names', {
      where: file,
      next: ['Save them by name and tag: `docker save --output FILE NAME:TAG`.'],
    })
  } finally {
    await tar.close()
  }
}

function parsed(bytes: Uint8Array, file: string): z.output<typeof list> {
  try {
    return list.parse(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)))
  } catch (cause) {
    throw new Failure('corrupt', 'the archive cannot be read: its manifest.json is damaged', { where: file, cause })
  }
}

/** The name in the form used for comparison: docker's short forms spelled out. */
export function fullImageName(text: string): string {
  return imageNameText(parseImageName(text))
}
