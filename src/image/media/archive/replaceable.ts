import { stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { errnoOf, Failure } from '../../../core/failure.ts'
import { openTarSource } from './tar-source.ts'

/**
 * A file may be replaced by an archive only if it is an image archive itself: a mistyped path
 * must not cost anybody's file.
 * @throws Failure 'exists', 'not-found' when the folder is not there
 */
export async function assertReplaceable(path: string): Promise<void> {
  const facts = await stat(path).catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  })
  if (!facts || facts.size === 0) return
  const isImage = facts.isFile() && (await isImageArchive(path))
  if (!isImage)
    throw new Failure('exists', 'a file that is no image archive stands there', {
      where: path,
      next: ['Remove it, or write to another path.'],
    })
}

async function isImageArchive(path: string): Promise<boolean> {
  try {
    const tar = await openTarSource(path, tmpdir())
    await tar.close()
    return tar.files.has('oci-layout') || tar.files.has('manifest.json')
  } catch (error) {
    if (error instanceof Failure) return false
    throw error
  }
}
