import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { errnoOf } from '../../../src/core/failure.ts'
import { cpuMs } from '../processes.ts'

/** What one run of a program took. */
export interface Timed {
  readonly ms: number
  /** Of the program alone: what the registry used meanwhile does not count. */
  readonly cpuMs: number
  /** The most memory that it ever had, in bytes. */
  readonly peakBytes: number
}

const sampleMs = 10

/**
 * Runs a program to its end. Its own figures come from /proc while it runs, so that the last
 * 10 ms are not seen.
 * @throws when it fails, with what it printed
 */
export async function timed([file = '', ...args]: readonly string[], folder: string): Promise<Timed> {
  const began = performance.now()
  const child = spawn(file, args, { cwd: folder, env: environment(folder), stdio: ['ignore', 'pipe', 'pipe'] })
  const said: Buffer[] = []
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece: Buffer) => said.push(piece))
  let cpu = 0
  let peakBytes = 0
  let ms: number | undefined
  const ended = once(child, 'exit').then(([code]) => {
    ms = performance.now() - began
    return code as number | null
  })
  while (ms === undefined) {
    const pid = child.pid ?? 0
    cpu = Math.max(cpu, cpuMs([pid]))
    peakBytes = Math.max(peakBytes, peakOf(pid))
    await Promise.race([ended, setTimeout(sampleMs)])
  }
  const code = await ended
  if (code !== 0) throw new Error(`${file} ${args.join(' ')} ended with ${code}:\n${Buffer.concat(said)}`)
  return { ms, cpuMs: cpu, peakBytes }
}

/** A HOME of its own, so that no program knows anything from an earlier run. */
function environment(folder: string): Record<string, string> {
  return { PATH: process.env['PATH'] ?? '/usr/bin:/bin', HOME: folder, XDG_RUNTIME_DIR: folder, NO_COLOR: '1' }
}

function peakOf(pid: number): number {
  try {
    return Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ESRCH') return 0
    throw error
  }
}
