// What run.js starts on a Node that is too old: the program again, on the Node that `npm start` installed in the
// checkout. A package has none. Everything here works on Node 18.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const bin = dirname(fileURLToPath(import.meta.url))

/** Runs the same arguments on the checkout's own Node. @param without called if there is none */
export function again(without) {
  const node = join(dirname(bin), 'node_modules/node/bin/node')
  if (!existsSync(node)) return without()
  const argv = [join(bin, 'run.js'), ...process.argv.slice(2)]
  if (typeof process.execve === 'function') return process.execve(node, [node, ...argv])
  const child = spawn(node, argv, { stdio: 'inherit' })
  // A terminal sends its interrupt to both of us; forwarding it as well would count twice.
  const forwarded = process.stdin.isTTY ? ['SIGTERM', 'SIGHUP'] : ['SIGTERM', 'SIGHUP', 'SIGINT']
  for (const signal of forwarded) process.on(signal, () => child.kill(signal))
  if (process.stdin.isTTY) process.on('SIGINT', () => undefined)
  child.on('error', (error) => {
    process.stderr.write(`native: cannot start ${node}: ${error.message}\n`)
    process.exitCode = 1
  })
  child.on('exit', (code, signal) => {
    if (!signal) return process.exit(code === null ? 1 : code)
    for (const each of [...forwarded, 'SIGINT']) process.removeAllListeners(each)
    process.kill(process.pid, signal)
  })
}
