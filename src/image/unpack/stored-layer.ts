import { createReadStream, mkdirSync, utimesSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { type TarEntry, tarEntries } from '../../archive/tar-entries.ts'
import { hostile, short } from '../../archive/tar-extension.ts'
import { createTimeSlice } from '../../host/time-slice.ts'
import { diskFailure } from '../partial.ts'
import { type EntryKind, kindOf } from './entry-kind.ts'
import { type Room, takeName, takeRoom } from './room.ts'
import { segmentsOf } from './tree-path.ts'

/** An entry of a layer that is stored: its content, if it is a file, is a file of its own. */
export interface LayerEntry extends Pick<TarEntry, 'name' | 'target' | 'mode' | 'mtime'> {
  readonly kind: Exclude<EntryKind, 'leftOut' | 'unknown'>
  /** Absolute; empty unless it is a file. It has the mode and the time of the entry, and nobody may change it. */
  readonly file: string
}

const indexName = 'entries'
/** A folder with too many files is slow on some file systems. */
const filesPerFolder = 1000
/** Characters of the list that are written at once. */
const linesKept = 64 * 1024
/** Without the set-user-ID and set-group-ID bits. */
const modeBits = 0o1777

/**
 * Stores a layer in an empty folder: the content of its files, and a list of its entries. Where those belong is only
 * known once the layer is applied to a tree, since symlinks of the layers below may lead elsewhere.
 * @param tar the layer, expanded
 * @param room the remaining budget, which is reduced
 * @throws what the stream throws; Failure 'corrupt', 'invalid' for a hostile layer, 'exhausted' for one that is too
 *   large, and those of diskFailure
 */
export async function storeLayer(
  tar: AsyncIterable<Uint8Array>,
  folder: string,
  room: Room,
  where: string,
): Promise<void> {
  const slice = createTimeSlice()
  const index = await open(join(folder, indexName), 'wx', 0o600)
  let lines = ''
  let files = 0
  try {
    for await (const entry of tarEntries(tar, where)) {
      // One piece may contain many headers: yield to other work between them.
      if (slice.over) await slice.next()
      const name = segmentsOf(entry.name, where).at(-1)
      const kind = name === undefined ? 'leftOut' : kindOf(entry, name)
      if (kind === 'unknown')
        throw hostile(`has an entry of type ${JSON.stringify(entry.flag)}, "${short(entry.name)}"`, where)
      if (kind === 'leftOut') {
        takeName(room, 0, where)
        continue
      }
      const line = `${JSON.stringify([kind, entry.name, entry.target, entry.mode & modeBits, entry.mtime])}\n`
      takeName(room, line.length, where)
      if (kind === 'file') {
        takeRoom(room, entry.size, where)
        await writeFileOf(entry, makePath(folder, files))
        files += 1
      }
      lines += line
      if (lines.length < linesKept) continue
      await index.appendFile(lines)
      lines = ''
    }
    await index.appendFile(lines)
  } catch (error) {
    throw diskFailure(error, folder)
  } finally {
    await index.close()
  }
}

/** The entries of a stored layer, in order. */
export async function* storedEntries(folder: string): AsyncGenerator<LayerEntry, void, undefined> {
  let files = 0
  for await (const line of linesOf(join(folder, indexName))) {
    const [kind, name, target, mode, mtime] = JSON.parse(line)
    yield { kind, name, target, mode, mtime, file: kind === 'file' ? pathOf(folder, files) : '' }
    if (kind === 'file') files += 1
  }
}

/** Not by node:readline, which takes more than a line feed for the end of a line. */
async function* linesOf(path: string): AsyncGenerator<string, void, undefined> {
  let rest = ''
  for await (const piece of createReadStream(path, 'utf8')) {
    const lines = `${rest}${piece}`.split('\n')
    rest = lines.pop() ?? ''
    yield* lines
  }
}

function pathOf(folder: string, number: number): string {
  return join(folder, String(Math.floor(number / filesPerFolder)), String(number))
}

function makePath(folder: string, number: number): string {
  const path = pathOf(folder, number)
  if (number % filesPerFolder === 0) mkdirSync(join(path, '..'))
  return path
}

async function writeFileOf(entry: TarEntry, path: string): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    for await (const piece of entry.content)
      for (let at = 0; at < piece.byteLength; ) at += (await file.write(piece, at)).bytesWritten
    await file.chmod((entry.mode & modeBits) | 0o400)
  } finally {
    await file.close()
  }
  utimesSync(path, entry.mtime, entry.mtime)
}
