import { readdir } from 'node:fs/promises'
import { basename } from 'node:path'
import { execa } from 'execa'
import { Failure } from '../../../core/failure.ts'
import {
  commandLineOf,
  identityOf,
  isAlive,
  type ProcessIdentity,
  signalProcess,
} from '../../../host/process-identity.ts'
import { wait } from '../../../host/wait.ts'
import type { KindContext } from '../context.ts'

const pollMs = 50
const endMsMax = 10_000
const psMsMax = 5_000

/**
 * Ends a kind process that a killed `native` left behind. It would interfere with a cluster that is to be recreated,
 * and on failure remove the nodes of that name, whoever owns them by then. Its command line names a file in our own
 * state folder, so it is ours; nobody else is working on the cluster, as we have the lock.
 * @returns how many there were
 */
export async function endOrphanedKind({ paths, clock }: KindContext, signal: AbortSignal): Promise<number> {
  const orphans: ProcessIdentity[] = []
  for (const { pid, line } of await processes()) {
    const words = line.split(' ')
    if (basename(words[0] ?? '') !== 'kind' || !words.includes(paths.kubeconfig)) continue
    const identity = await identityOf(pid)
    if (identity) orphans.push(identity)
  }
  for (const { pid } of orphans) signalProcess(pid, 'SIGKILL')
  const deadline = clock.now() + endMsMax
  for (const each of orphans) {
    while (await isAlive(each)) {
      if (clock.now() > deadline)
        throw new Failure('deadline', `kind, left over from an earlier run, does not exit: process ${each.pid}`, {
          next: [`End it with \`kill -9 ${each.pid}\`, and run the same command again.`],
        })
      await wait(pollMs, clock, signal)
    }
  }
  return orphans.length
}

async function processes(): Promise<{ pid: number; line: string }[]> {
  if (process.platform !== 'linux') return listedByPs()
  const found: { pid: number; line: string }[] = []
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const line = await commandLineOf(Number(name))
    if (line !== undefined) found.push({ pid: Number(name), line })
  }
  return found
}

async function listedByPs(): Promise<{ pid: number; line: string }[]> {
  const { stdout } = await execa('ps', ['-axww', '-o', 'pid=,command='], { timeout: psMsMax, stdin: 'ignore' })
  return stdout.split('\n').flatMap((text) => {
    const match = /^\s*(\d+)\s+(.*)$/.exec(text)
    return match?.[1] === undefined ? [] : [{ pid: Number(match[1]), line: match[2] ?? '' }]
  })
}
