import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { describe, expect, onTestFinished, test } from 'vitest'
import { memoryOf, resumeAll, stopAll } from '../../../src/worker/persistent/stopping.ts'
import { eventually } from '../../fixture/eventually.ts'

function stateOf(pid: number): string {
  const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
  return text[text.lastIndexOf(')') + 2] ?? ''
}

describe.runIf(process.platform === 'linux')('stopping', () => {
  test('reaches whatever a process has started, also in a session of its own, and lets all of it go on', async () => {
    const busy = 'while :; do :; done'
    const script = `sh -c 'echo $$; setsid sh -c "echo \\$\\$; ${busy}" & ${busy}' & wait`
    const shell = spawn('/bin/sh', ['-c', script], { stdio: ['ignore', 'pipe', 'inherit'] })
    const pids: number[] = []
    for await (const line of createInterface(shell.stdout)) if (pids.push(Number(line)) === 2) break
    onTestFinished(async () => {
      const ended = once(shell, 'exit')
      for (const pid of pids) process.kill(pid, 'SIGKILL')
      await ended
    })
    const id = shell.pid ?? 0
    await stopAll(id, () => false)
    expect(pids.map(stateOf)).toEqual(['T', 'T'])
    expect(memoryOf(id)).toBeGreaterThan(100_000)
    resumeAll(id)
    await eventually(
      async () => pids.map(stateOf).join(''),
      (states) => !states.includes('T'),
    )
  })
})
