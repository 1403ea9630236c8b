import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Orders } from './plan.ts'

/** A program that waits for orders, and is killed while it carries them out. */
export interface Victim {
  /**
   * Lets it write until it has reported so many acknowledged writes, and kills it.
   * @returns the turns of all writes that it reported
   */
  runAndKill(orders: Orders, acknowledged: number): Promise<number[]>
  /** Ends one that was never used. */
  dismiss(): void
}

const program = fileURLToPath(new URL('writer.ts', import.meta.url))

export function startVictim(): Victim {
  const child = spawn(process.execPath, [program], { stdio: ['pipe', 'pipe', 'pipe'] })
  let errors = ''
  child.stderr.on('data', (text) => {
    errors += text
  })

  return {
    async runAndKill(orders, acknowledged) {
      let report = ''
      child.stdout.on('data', (text) => {
        report += text
        if (report.split('\n').length > acknowledged) child.kill('SIGKILL')
      })
      child.stdin.write(`${JSON.stringify(orders)}\n`)
      const [code, signal] = await once(child, 'close')
      if (signal !== 'SIGKILL') throw new Error(`the program ended by itself (${code}): ${errors}`)
      // A line without an end may be half a number.
      return report.split('\n').slice(0, -1).map(Number)
    },
    dismiss: () => void child.kill('SIGKILL'),
  }
}
