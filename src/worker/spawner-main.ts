// The program that starts the actions' processes. It is apart from the worker because the
// cost of starting a process grows with the memory of the one that starts it, and because it
// outlives a worker that is killed: when its standard input ends, it kills what runs. It
// imports as little as it can. It reads and writes lines of JSON (spawner-lines.ts).
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { errnoOf, killTree, quietly } from './process-tree.ts'
import type { FromSpawner, ToSpawner } from './spawner-lines.ts'

const running = new Map<number, ChildProcess>()
let rest = ''

closeInherited()
process.stdin.setEncoding('utf8')
process.stdin.on('data', (text: string) => {
  const lines = (rest + text).split('\n')
  rest = lines.pop() ?? ''
  for (const line of lines) receive(JSON.parse(line) as ToSpawner)
})
process.stdin.on('end', leave)
process.stdin.on('error', leave)
// The worker has gone if nobody reads the answers.
process.stdout.on('error', leave)
// A terminal's Ctrl-C and a supervisor's SIGTERM go to the worker, which drains and then ends us.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)

/**
 * Closes what the worker was started with beside its standard streams, by a shell or a build
 * server, and every action would have too. Node closes its own files on exec; those here do not.
 */
function closeInherited(): void {
  const closeOnExec = 0o2000000
  for (const name of quietly(() => readdirSync('/proc/self/fdinfo')) ?? []) {
    const file = Number(name)
    const info = file > 2 ? quietly(() => readFileSync(`/proc/self/fdinfo/${name}`, 'latin1')) : undefined
    const flags = /^flags:\s*([0-7]+)$/m.exec(info ?? '')?.[1]
    if (flags !== undefined && (Number.parseInt(flags, 8) & closeOnExec) === 0) closeSync(file)
  }
}

function receive(message: ToSpawner): void {
  if (message.kind === 'start') start(message)
  else {
    const pid = running.get(message.id)?.pid
    if (pid !== undefined) killTree(pid, message.root)
  }
}

function start({ id, file, args, env, cwd, stdout, stderr }: Extract<ToSpawner, { kind: 'start' }>): void {
  const streams: number[] = []
  try {
    streams.push(openSync(stdout, 'wx'), openSync(stderr, 'wx'))
    const [argv0 = file, ...others] = args
    // Detached: a session and process group of its own, to be killed as a whole.
    const child = spawn(file, others, { argv0, env, cwd, detached: true, stdio: ['ignore', ...streams] })
    watch(id, child)
  } catch (error) {
    answer({ id, kind: 'failed', code: errnoOf(error) ?? 'EINVAL', message: String(error), at: Date.now() })
  } finally {
    for (const stream of streams) closeSync(stream)
  }
}

function watch(id: number, child: ChildProcess): void {
  running.set(id, child)
  if (child.pid !== undefined) answer({ id, kind: 'started', pid: child.pid, at: Date.now() })
  child.once('error', (error) => {
    if (running.get(id) !== child || child.pid !== undefined) return
    running.delete(id)
    answer({ id, kind: 'failed', code: errnoOf(error) ?? 'EINVAL', message: error.message, at: Date.now() })
  })
  child.once('exit', (code, signal) => {
    running.delete(id)
    // What it left in its group must not live on into the next action.
    if (child.pid !== undefined) killGroup(child.pid)
    answer({ id, kind: 'exited', code: code ?? -1, signal: signal ?? '', at: Date.now() })
  })
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch (error) {
    if (errnoOf(error) !== 'ESRCH' && errnoOf(error) !== 'EPERM') throw error
  }
}

function answer(message: FromSpawner): void {
  process.stdout.write(`${JSON.stringify(message)}\n`)
}

function leave(): void {
  for (const child of running.values()) if (child.pid !== undefined) killTree(child.pid)
  process.exit(0)
}
