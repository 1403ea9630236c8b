import fs from 'node:fs'
import { join } from 'node:path'
import { errnoOf, Failure } from '../../core/failure.ts'
import type { Log } from '../../telemetry/log.ts'
import { type Aside, asideName, entriesOf } from './aside.ts'

/** Raised whenever any file's layout changes. */
export const formatVersion = 1
const formatText = `native store ${formatVersion}\n`
/** What a version says of itself, however else the file is spoiled. */
const formatLine = /^native store (\d+)/
/** More than any version writes. */
const formatBytesMax = 4096

const partNames: ReadonlySet<string> = new Set(['blobs', 'results', 'large', 'incoming', asideName])
/** What systems leave in a folder that is theirs: nobody's work. */
const strayNames = /^(\..*|lost\+found|Thumbs\.db|desktop\.ini|@eaDir|\$RECYCLE\.BIN|System Volume Information)$/i

/**
 * Makes sure that the folder is a store of this version, or begins one. Without a `format` that
 * can be read it is one by its parts; each file in them tells its version too.
 * @throws Failure 'precondition' for another version, 'invalid' for a folder that holds something else
 */
export function checkFormat(root: string, log: Log, aside: Aside): void {
  const file = join(root, 'format')
  const text = readText(file)
  const version = formatLine.exec(text ?? '')?.[1]
  if (version !== undefined) {
    assertVersion(Number(version), file)
    if (text === formatText) return
  }
  const others = entriesOf(root, log).map(({ name }) => name)
  const isStore = others.some((name) => partNames.has(name))
  const isOwn = (name: string) => partNames.has(name) || /^(lock|format|in-use)/.test(name) || strayNames.test(name)
  if (!isStore && !others.every(isOwn))
    throw new Failure('invalid', 'the folder is not empty and does not hold a store', {
      where: root,
      next: ['Name an empty folder, or one that does not exist yet.'],
    })
  if (isStore) log.warn('the format file of the store cannot be read and is rewritten', { file })
  if (text !== '' && fs.lstatSync(file, { throwIfNoEntry: false })) aside.move(file, 'the format cannot be read')
  writeText(root, file)
}

/** @throws Failure 'precondition' unless this program reads that version */
export function assertVersion(version: number, file: string): void {
  if (version === formatVersion) return
  throw new Failure('precondition', `the store was written in format ${version}; this program reads ${formatVersion}`, {
    where: file,
    next: ['Use the program that wrote it, or remove the folder to start with an empty cache.'],
  })
}

/** Undefined when there is none, or none that can be read. */
function readText(file: string): string | undefined {
  try {
    const found = fs.statSync(file)
    return found.isFile() && found.size <= formatBytesMax ? fs.readFileSync(file, 'latin1') : undefined
  } catch (error) {
    if (errnoOf(error) === undefined) throw error
    return undefined
  }
}

/** Renamed into place whole and synced, so that neither a kill nor a power cut leaves half of it. */
function writeText(root: string, file: string): void {
  const draft = join(root, 'format.new')
  fs.rmSync(draft, { force: true, recursive: true })
  const fd = fs.openSync(draft, 'wx', 0o644)
  try {
    fs.writeSync(fd, formatText)
    fs.fsyncSync(fd)
  } finally {
    fs.closeSync(fd)
  }
  fs.renameSync(draft, file)
  const folder = fs.openSync(root, 'r')
  try {
    fs.fsyncSync(folder)
  } finally {
    fs.closeSync(folder)
  }
}
