import { open, readdir, stat } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { errnoOf, Failure } from '../../core/failure.ts'
import { makeFolder } from '../../host/folders.ts'
import { systemFailure } from '../../host/system-errors.ts'
import { diskFailure, isPartial, openPartial, removeLeftovers, whileWriting } from '../partial.ts'
import { readPieces, writePieces } from '../pieces.ts'
import { writeBehind } from './write-behind.ts'

/**
 * The content of a file.
 * @throws Failure 'not-found' (checked at once, so that it is known before anything is written)
 */
export async function fileContent(path: string, what: string): Promise<AsyncIterable<Uint8Array>> {
  await fileSize(path, what)
  return opened(path)
}

async function* opened(path: string): AsyncGenerator<Uint8Array, void, undefined> {
  const handle = await open(path, 'r')
  try {
    yield* readPieces(handle, 0, (await handle.stat()).size)
  } finally {
    await handle.close()
  }
}

/**
 * Bytes of a small file.
 * @throws Failure 'not-found', 'exhausted' when it is larger than bytesMax
 */
export async function smallFile(path: string, bytesMax: number, what: string): Promise<Uint8Array> {
  const size = await fileSize(path, what)
  if (size > bytesMax)
    throw new Failure('exhausted', `${what} has ${size} bytes, at most ${bytesMax} are read`, { where: path })
  const handle = await open(path, 'r')
  try {
    return await handle.readFile()
  } finally {
    await handle.close()
  }
}

/** Size of a regular file, or undefined if there is none of that name. */
export async function sizeIfThere(path: string): Promise<number | undefined> {
  try {
    const facts = await stat(path)
    return facts.isFile() ? facts.size : undefined
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined
    throw systemFailure(error, { doing: `cannot read ${basename(path)}`, where: path })
  }
}

/**
 * Creates a folder for an image, or takes an existing one, without leftovers of killed writers.
 * @returns names in it
 * @throws Failure 'denied', 'exhausted', 'exists' when there is a file in its place
 */
export async function ownFolder(path: string): Promise<readonly string[]> {
  makeFolder(path)
  await removeLeftovers(path)
  const names = await readdir(path).catch((error: unknown) => {
    throw diskFailure(error, path)
  })
  return names.filter((each) => !isPartial(each))
}

/**
 * Writes a file under a temporary name, syncs it and renames it: it is there whole or not at all.
 * @throws what the content throws; Failure 'denied', 'exhausted', 'exists'
 */
export async function writeWhole(path: string, content: AsyncIterable<Uint8Array> | Uint8Array): Promise<void> {
  makeFolder(dirname(path))
  const file = await openPartial(path)
  try {
    await whileWriting(path, async () => {
      if (content instanceof Uint8Array) return file.handle.writeFile(content)
      const behind = writeBehind(file.handle)
      await writePieces(file.handle, 0, content, behind.grew)
      await behind.settled()
    })
    await file.finish()
  } catch (error) {
    await file.discard()
    throw error
  }
}

async function fileSize(path: string, what: string): Promise<number> {
  try {
    const facts = await stat(path)
    if (facts.isFile()) return facts.size
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw systemFailure(error, { doing: `cannot read ${what}`, where: path })
  }
  throw new Failure('not-found', `${what} is not there`, { where: path })
}
