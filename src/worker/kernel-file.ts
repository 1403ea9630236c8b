import { closeSync, openSync, readSync, writeSync } from 'node:fs'
import { errnoOf } from '../core/failure.ts'

/**
 * A small file of /proc or of a cgroup, which stays open since reading it takes a third of the time then. It stands for
 * the same process or cgroup for as long, whoever gets that name next. An action can do without what it says, so
 * nothing here fails: what the system refuses is undefined, and so is everything once the file is closed.
 */
export interface KernelFile {
  read(): string | undefined
  /** Has the system taken it? */
  write(text: string): boolean
  close(): void
}

/** More than a line of proc_pid_stat(5), of some fifty numbers. */
const textBytesMax = 2048

export function openKernelFile(path: string, flags: 'r' | 'r+'): KernelFile {
  const bytes = Buffer.allocUnsafe(textBytesMax)
  let file = unlessRefused(() => openSync(path, flags))
  const use = <T>(act: (open: number) => T): T | undefined => {
    const open = file
    // Its number may be another file's by now.
    return open === undefined ? undefined : unlessRefused(() => act(open))
  }
  return {
    read: () => use((open) => bytes.toString('latin1', 0, readSync(open, bytes, 0, textBytesMax, 0))),
    write: (text) => use((open) => writeSync(open, text, 0)) !== undefined,
    close() {
      use(closeSync)
      file = undefined
    },
  }
}

function unlessRefused<T>(act: () => T): T | undefined {
  try {
    return act()
  } catch (error) {
    if (errnoOf(error) === undefined) throw error
    return undefined
  }
}
