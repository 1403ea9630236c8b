// Brings a checkout to the point where its program runs: packages installed, sources
// built. Plain JavaScript without packages, since it runs before there are any, and on
// whatever Node the machine has.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The checkout's folder. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** Installs and builds what is missing or stale; prints a line for what it does. */
export function setUp() {
  if (stale('node_modules/.installed', ['package.json', 'package-lock.json'])) {
    say('installing packages (npm ci)')
    step('npm', ['ci', '--no-audit', '--no-fund'])
    mark('node_modules/.installed', ['package.json', 'package-lock.json'])
  }
  if (!existsSync(join(root, 'node_modules/node/bin/node'))) {
    stop('the pinned Node is missing: its package downloads it in an install script, which npm was told not to run', [
      'Run "npm rebuild node", or "npm ci" without --ignore-scripts.',
    ])
  }
  const sources = ['bin', 'src', 'commands', 'protos', 'package.json', 'package-lock.json', 'tsconfig.json']
  if (stale('dist/.built', sources)) {
    say('building')
    step('npm', ['run', '--silent', 'build'])
    mark('dist/.built', sources)
  }
}

/** Runs a program of this checkout's in its folder, on the pinned Node; answers its exit code. */
export function run(command, args, options = {}) {
  const path = [join(root, 'node_modules/node/bin'), join(root, 'node_modules/.bin'), process.env.PATH].join(delimiter)
  const done = spawnSync(command, args, {
    cwd: root,
    stdio: 'inherit',
    ...options,
    env: { ...process.env, ...options.env, PATH: path },
  })
  if (done.error) stop(`${command} could not be started: ${done.error.message}`, [])
  return done.status ?? 1
}

/** Says what is going on, apart from what the program prints. */
export function say(text) {
  process.stderr.write(`native: ${text}\n`)
}

function step(command, args) {
  const code = run(command, args)
  if (code !== 0) stop(`"${command} ${args.join(' ')}" ended with exit code ${code}`, ['What it printed stands above.'])
}

function stop(message, next) {
  for (const line of [message, ...next]) say(line)
  process.exit(1)
}

/** Is the mark absent, or made from other contents than these paths have now? */
function stale(markFile, paths) {
  const file = join(root, markFile)
  return !existsSync(file) || readFileSync(file, 'utf8') !== fingerprint(paths)
}

function mark(markFile, paths) {
  mkdirSync(dirname(join(root, markFile)), { recursive: true })
  writeFileSync(join(root, markFile), fingerprint(paths))
}

/** One hash over names and contents, so that clocks and checkouts do not matter. */
function fingerprint(paths) {
  const hash = createHash('sha256')
  const add = (path) => {
    if (path === join('src', 'wire', 'gen')) return // made by the build itself
    const file = join(root, path)
    if (statSync(file).isDirectory()) {
      for (const name of readdirSync(file).sort()) add(join(path, name))
      return
    }
    hash.update(`${path}\0`)
    hash.update(readFileSync(file))
  }
  for (const path of paths) add(path)
  return hash.digest('hex')
}
