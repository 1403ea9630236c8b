#!/usr/bin/env node
// The program `native`. Plain JavaScript that old Nodes can read, since finding the right
// one is its first task; everything else is built code under dist.
import { existsSync, readFileSync } from 'node:fs'
import module from 'node:module'
import { dirname, isAbsolute, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Exit codes as src/cli/exit.ts has them. */
const preconditionExit = 5

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const needed = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).engines.node.replace('>=', '')
const args = process.argv.slice(2)

if (isAtLeast(process.versions.node, needed)) await start()
else again(join(root, 'node_modules/node/bin/node'))

async function start() {
  const main = join(root, 'dist/src/cli/main.js')
  if (!existsSync(main)) return stop('this checkout is not built: run "npm start" or "npm run build" in it')
  keepCompiled()
  const { main: run } = await import(main)
  await run(args, root)
}

/**
 * Keeps compiled code for the next run, a quarter of what a short command takes. It goes where
 * XDG says that such things go, or nowhere: what cannot be written there is just not kept.
 */
function keepCompiled() {
  const { XDG_CACHE_HOME: cache, HOME: home } = process.env
  const folder = cache && isAbsolute(cache) ? cache : home && isAbsolute(home) && join(home, '.cache')
  if (folder) module.enableCompileCache(join(folder, 'native/compiled'))
}

/** The same program under the checkout's own Node. */
function again(node) {
  if (!existsSync(node))
    return stop(`needs Node ${needed} or later, this is ${process.versions.node} (${process.execPath})`)
  const argv = [fileURLToPath(import.meta.url), ...args]
  if (typeof process.execve === 'function') return process.execve(node, [node, ...argv])
  const { spawn } = process.getBuiltinModule('node:child_process')
  const child = spawn(node, argv, { stdio: 'inherit' })
  // A terminal sends its interrupt to both of us; forwarded as well, it would count twice.
  const forwarded = process.stdin.isTTY ? ['SIGTERM', 'SIGHUP'] : ['SIGTERM', 'SIGHUP', 'SIGINT']
  for (const signal of forwarded) process.on(signal, () => child.kill(signal))
  if (process.stdin.isTTY) process.on('SIGINT', () => undefined)
  child.on('error', (error) => stop(`cannot start ${node}: ${error.message}`))
  child.on('exit', (code, signal) => {
    if (!signal) return process.exit(code ?? 1)
    for (const each of [...forwarded, 'SIGINT']) process.removeAllListeners(each)
    process.kill(process.pid, signal)
  })
}

function stop(message) {
  process.stderr.write(`native: ${message}\n`)
  process.exitCode = preconditionExit
}

/** Is the one version `a.b.c` as late as the other? */
function isAtLeast(version, least) {
  const [a, b] = [version, least].map((text) => text.split('.').map(Number))
  const at = [0, 1, 2].find((each) => (a[each] ?? 0) !== (b[each] ?? 0))
  return at === undefined || (a[at] ?? 0) > (b[at] ?? 0)
}
