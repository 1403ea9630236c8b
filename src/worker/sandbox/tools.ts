import { execFileSync } from 'node:child_process'
import { constants, copyFileSync, existsSync, mkdirSync, readFileSync, realpathSync, renameSync } from 'node:fs'
import { basename, join } from 'node:path'
import { Failure } from '../../core/failure.ts'
import { findProgram } from '../program.ts'

/** Where a sandbox with an image as its root has the few programs that start actions; actions see them too. */
export const toolsPath = '/.native'

/** The programs that a slot's shell needs: the first three to start actions, the others between actions. */
const names = ['setpriv', 'env', 'nice', 'mount', 'umount', 'rmdir'] as const
const loaderName = 'loader'
const listMsMax = 10_000

/** Copies of the machine's programs, with their libraries, in a folder that any root can show. */
export interface Tools {
  /** A path on the machine. */
  readonly directory: string
  /** The command that starts one of them in a sandbox that shows the folder at `toolsPath`. */
  command(name: (typeof names)[number]): readonly string[]
}

/**
 * Copies the programs, unless that has been done. An image has its own C library, or none, so each program is started
 * by its own loader, with its own libraries.
 * @param path where they are looked up
 * @throws Failure 'unavailable' when one is missing; a system error
 */
export function makeTools(directory: string, path: string): Tools {
  const loaded = join(directory, loaderName)
  if (!existsSync(directory)) {
    const making = `${directory}.new`
    mkdirSync(making, { recursive: true, mode: 0o755 })
    for (const name of names) {
      const found = findProgram(name, { PATH: path }, '/')
      if ('problem' in found)
        throw new Failure('unavailable', `the program ${name}, which starts actions in images, is missing`)
      const file = realpathSync(found.file)
      copy(file, join(making, name))
      const loader = loaderOf(readFileSync(file))
      if (loader === undefined) continue
      copy(loader, join(making, loaderName))
      for (const library of librariesOf(loader, file)) copy(library, join(making, basename(library)))
    }
    renameSync(making, directory)
  }
  const loader = existsSync(loaded) ? [`${toolsPath}/${loaderName}`, '--library-path', toolsPath] : []
  return { directory, command: (name) => [...loader, `${toolsPath}/${name}`] }
}

function copy(from: string, to: string): void {
  copyFileSync(from, to, constants.COPYFILE_FICLONE)
}

/** As `ldd` lists them. */
function librariesOf(loader: string, file: string): string[] {
  const text = execFileSync(loader, ['--list', file], { encoding: 'utf8', timeout: listMsMax, env: {} })
  return [...text.matchAll(/=> (\/\S+) \(0x/g)].flatMap(([, path]) => path ?? [])
}

/** ELF, 64 bits, little-endian: offsets in its header and in those of its segments. */
const elf = { segmentsAt: 32, segmentBytes: 54, segmentCount: 56 } as const
const interpreterType = 3

/** The loader that a program names (PT_INTERP); undefined for one that needs none. @throws Failure 'unavailable' for another form */
function loaderOf(program: Buffer): string | undefined {
  if (program.readUInt32BE(0) !== 0x7f454c46 || program[4] !== 2 || program[5] !== 1)
    throw new Failure('unavailable', 'the programs of this machine have an unknown format')
  const start = Number(program.readBigUInt64LE(elf.segmentsAt))
  const bytes = program.readUInt16LE(elf.segmentBytes)
  for (let at = 0; at < program.readUInt16LE(elf.segmentCount); at += 1) {
    const segment = start + at * bytes
    if (program.readUInt32LE(segment) !== interpreterType) continue
    const offset = Number(program.readBigUInt64LE(segment + 8))
    const length = Number(program.readBigUInt64LE(segment + 32))
    return program.toString('utf8', offset, offset + length - 1)
  }
  return undefined
}
