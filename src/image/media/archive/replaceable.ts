import { open, stat } from 'node:fs/promises'
import { errnoOf, Failure } from '../../../core/failure.ts'
import { diskFailure } from '../../partial.ts'
import { tarFiles } from '../../tar/files.ts'

/**
 * An archive may only replace an image archive in the uncompressed form that we write: a mistyped path must not cost
 * anybody a file.
 * @throws Failure 'exists', 'denied'
 */
export async function assertReplaceable(path: string): Promise<void> {
  const facts = await stat(path).catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw diskFailure(error, path)
  })
  if (!facts || (facts.isFile() && facts.size === 0)) return
  const isImage = facts.isFile() && (await isImageArchive(path))
  if (!isImage)
    throw new Failure('exists', 'the existing file is not an uncompressed image archive', {
      where: path,
      next: ['Remove it, or write to another path.'],
    })
}

async function isImageArchive(path: string): Promise<boolean> {
  const handle = await open(path, 'r').catch((error: unknown) => {
    throw diskFailure(error, path)
  })
  try {
    const files = await tarFiles(handle, path)
    return files.has('oci-layout') || files.has('manifest.json')
  } catch (error) {
    if (error instanceof Failure) return false
    throw error
  } finally {
    await handle.close()
  }
}
