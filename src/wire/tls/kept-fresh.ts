import { stat } from 'node:fs/promises'

/** How often files are checked, in milliseconds. */
const lookMsDefault = 5_000

export interface FreshOptions<T> {
  readonly files: readonly string[]
  readonly load: () => Promise<T>
  /** Called with what a later load threw; what was read before stays in use. */
  readonly failed: (error: unknown) => void
  /** Called with what a later load has read. */
  readonly changed?: (value: T) => void
  readonly lookMs?: number | undefined
}

/** The content of files, read again when they change. */
export interface Fresh<T> {
  readonly current: () => T
  /** Stops checking the files. */
  readonly close: () => void
}

/**
 * Reads files, and reads them again when they have changed. They are polled rather than watched: a Kubernetes Secret is
 * a symbolic link that is repointed, which no watch on the file would report. Files that are half written, or a key
 * whose certificate is still to come, fail to load, and are read again at their next change.
 * @throws what the first load throws
 */
export async function keepFresh<T>(options: FreshOptions<T>): Promise<Fresh<T>> {
  const { files, load, failed, changed } = options
  let known = await stampOf(files)
  let value = await load()
  let busy = false

  async function look(): Promise<void> {
    const stamp = await stampOf(files)
    if (stamp === known) return
    known = stamp
    value = await load()
    changed?.(value)
  }
  const timer = setInterval(() => {
    if (busy) return
    busy = true
    look()
      .catch(failed)
      .finally(() => {
        busy = false
      })
  }, options.lookMs ?? lookMsDefault)
  timer.unref()
  return { current: () => value, close: () => clearInterval(timer) }
}

/** Changes when a file has been written, replaced or removed. */
async function stampOf(files: readonly string[]): Promise<string> {
  const stamps = await Promise.all(
    files.map((file) =>
      stat(file, { bigint: true }).then(
        ({ ino, size, mtimeNs, ctimeNs }) => [ino, size, mtimeNs, ctimeNs].join(':'),
        // It cannot be read; the load says why.
        () => 'none',
      ),
    ),
  )
  return stamps.join(' ')
}
