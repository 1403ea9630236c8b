import { type Dirent, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { errnoOf } from '../../src/core/failure.ts'

/** What one server takes at one moment. */
export interface Sample {
  readonly atMs: number
  readonly residentMb: number
  readonly descriptors: number
}

/** @returns undefined when the process has ended */
export function sampleOf(pid: number): Sample | undefined {
  const status = quietly(() => readFileSync(`/proc/${pid}/status`, 'utf8'))
  const descriptors = quietly(() => readdirSync(`/proc/${pid}/fd`).length)
  if (status === undefined || descriptors === undefined) return undefined
  const kilobytes = Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0)
  return { atMs: Date.now(), residentMb: Math.round(kilobytes / 1024), descriptors }
}

/** Processes that sleep for so many seconds: no action may have left one. */
export function sleepers(seconds: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      const words = quietly(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8'))?.split('\0') ?? []
      return words[0] === 'sleep' && words[1] === String(seconds)
    })
}

/** Entries below the folders with these names: what actions and uploads in flight have on the disk. */
export function entriesBelow(folder: string, names: readonly string[]): string[] {
  const found: string[] = []
  const walk = (path: string, inside: boolean) => {
    for (const entry of quietly(() => readdirSync(path, { withFileTypes: true })) ?? ([] as Dirent[])) {
      const below = join(path, entry.name)
      if (inside) found.push(below)
      else if (entry.isDirectory()) walk(below, names.includes(entry.name))
    }
  }
  walk(folder, false)
  return found
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}

/** Processes and files go while one looks. */
function quietly<T>(look: () => T): T | undefined {
  try {
    return look()
  } catch (error) {
    if (errnoOf(error) === undefined) throw error
    return undefined
  }
}
