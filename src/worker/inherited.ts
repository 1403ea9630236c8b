import { closeSync, readdirSync, readFileSync } from 'node:fs'
import { errnoOf } from '../core/failure.ts'

const closeOnExec = 0o2000000

/**
 * Closes the files that this process inherited in addition to its standard streams, from a shell or a build server;
 * every action would inherit them too. Node closes its own files on exec and a few inherited ones, but not those beyond
 * a gap in the numbering.
 */
export function closeInherited(): void {
  for (const name of listing('/proc/self/fdinfo')) {
    const file = Number(name)
    const flags = file > 2 ? /^flags:\s*([0-7]+)$/m.exec(contents(`/proc/self/fdinfo/${name}`))?.[1] : undefined
    if (flags !== undefined && (Number.parseInt(flags, 8) & closeOnExec) === 0) closeSync(file)
  }
}

/** Not every system has this folder. */
function listing(path: string): string[] {
  try {
    return readdirSync(path)
  } catch (error) {
    if (errnoOf(error) === undefined) throw error
    return []
  }
}

/** The descriptor of the listing itself is closed by now. */
function contents(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch (error) {
    if (errnoOf(error) === undefined) throw error
    return ''
  }
}
