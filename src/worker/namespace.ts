import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { type Enclosed, type Enclosure, reopenedStreams, sendSignal } from './enclosure.ts'
import { namespaceScript } from './slot-script.ts'

/**
 * PID and mount namespaces, made by the programs of util-linux: a user other than root needs a user namespace for them,
 * which some systems do not grant to everybody. The slot ends with the worker, however that ends, and everything in the
 * slot with its shell. The shell has its own session, so that `kill 0` by an action does not reach `unshare`.
 * @param path where the programs are
 */
export function namespaceEnclosure(isRoot: boolean, path: string): Enclosure {
  const user = isRoot ? [] : ['--user', '--map-current-user']
  return {
    kind: 'namespace',
    argv: inNamespaces([...user, '--mount-proc']),
    streams: reopenedStreams,
    script: namespaceScript,
    mark: '',
    prefix: [],
    enclosed: (pid) => enclosedInNamespaces(pid, isRoot, path),
  }
}

/** The command that starts a slot's shell in new namespaces. @param more further options of unshare(1) */
export function inNamespaces(more: readonly string[]): readonly string[] {
  const spaces = ['--pid', '--mount', '--fork', '--kill-child']
  return ['setpriv', '--pdeathsig', 'KILL', 'unshare', ...spaces, ...more, 'setsid']
}

/** @param pid of the `unshare` that started the shell */
export function enclosedInNamespaces(pid: number, isRoot: boolean, path: string): Enclosed {
  return enclosed(childOf(pid), isRoot ? [] : ['--user', '--preserve-credentials'], path)
}

function enclosed(shell: number, enter: readonly string[], path: string): Enclosed {
  return {
    shell,
    async terminate() {
      const argv = ['-t', String(shell), ...enter, '--pid', '--', '/bin/sh', '-c', 'kill -TERM -1; kill -CONT -1']
      const sender = spawn('nsenter', argv, { stdio: 'ignore', env: { PATH: path }, cwd: '/' })
      await new Promise<void>((resolve) => {
        sender.once('exit', () => resolve())
        // What has not ended after the grace time is killed in any case.
        sender.once('error', () => resolve())
      })
    },
    async kill() {
      sendSignal(shell, 'SIGKILL')
    },
    begin: () => undefined,
    end: async () => undefined,
  }
}

function childOf(pid: number): number {
  const [child] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').split(' ')
  const id = Number(child)
  if (!Number.isInteger(id) || id <= 1) throw new Error(`process ${pid} has no child`)
  return id
}
