// Gets a checkout to the point where its program runs: packages installed, sources built. Plain JavaScript without
// packages, since it runs before there are any; and limited to Node 18, since everything later runs on the Node that
// it installs.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { locked } from './lock.js'

/** The checkout's folder. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)))
/** The Node that the checkout pins. */
export const pinnedNode = join(root, 'node_modules/node/bin/node')

const packages = { mark: 'node_modules/.installed', of: ['package.json', 'package-lock.json'] }
const built = {
  mark: 'dist/.built',
  of: [
    'bin',
    'src',
    'web',
    'commands',
    'protos',
    'package.json',
    'package-lock.json',
    'tsconfig.json',
    'vite.config.ts',
  ],
}

/**
 * Installs and builds what is missing or stale, and prints a line for each step. A second run in the same checkout
 * waits until the first is done.
 */
export async function setUp() {
  if (isReady()) return
  await locked(root, say, async () => {
    if (isStale(packages)) {
      say('installing packages (npm ci): about 650 MB, which may take a minute or two')
      await step(
        'npm',
        ['ci', '--no-audit', '--no-fund'],
        ['npm needs its registry, or a cache of it. Run the same command again when that is mended: it begins anew.'],
      )
      mark(packages)
    }
    if (!existsSync(pinnedNode))
      stop('the pinned Node is missing: its package fetches it in an install script, which npm was told not to run', [
        'Run "npm rebuild node", or "npm ci" without --ignore-scripts.',
      ])
    await buildIfStale()
  }).catch((error) => stop(error.message, []))
}

/**
 * What `npm pack` packs. A build replaces the program and what its running servers would start from again, so none is
 * made without need.
 */
export async function buildForPackage() {
  await locked(root, say, buildIfStale).catch((error) => stop(error.message, []))
}

async function buildIfStale() {
  if (!isStale(built)) return
  say('building')
  await step('npm', ['run', '--silent', 'build'], ['Its messages stand above.'])
  mark(built)
}

/**
 * Runs one of this checkout's programs in its folder, on the pinned Node; returns its exit code. Signals that end us
 * are passed on, and we wait for the program to exit.
 */
export function run(command, args, options = {}) {
  const path = [dirname(pinnedNode), join(root, 'node_modules/.bin'), process.env.PATH].join(delimiter)
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: root,
      stdio: 'inherit',
      ...options,
      env: { ...process.env, ...options.env, PATH: path },
    })
    const tell = (signal) => child.kill(signal)
    // A terminal interrupts the child itself; we only wait for it.
    const told = { SIGTERM: tell, SIGHUP: tell, SIGINT: process.stdin.isTTY ? () => undefined : tell }
    for (const [signal, handler] of Object.entries(told)) process.on(signal, handler)
    child.on('error', (error) => stop(`${command} could not be started: ${error.message}`, []))
    child.on('exit', (code, signal) => {
      for (const [name, handler] of Object.entries(told)) process.off(name, handler)
      // As shells do.
      resolve(signal ? 128 + constants.signals[signal] : (code ?? 1))
    })
  })
}

/** Reports progress, apart from the program's own output. */
export function say(text) {
  process.stderr.write(`${wrapped(`native: ${text}`)}\n`)
}

/** On a terminal, lines break between words. Whoever reads a file or a pipe wraps them, if at all. */
function wrapped(text) {
  if (!process.stderr.isTTY) return text
  const width = process.stderr.columns || 80
  let column = 0
  const pieces = text.split(' ').map((word, at) => {
    const fits = at === 0 || column + 1 + word.length <= width
    const separator = at === 0 ? '' : fits ? ' ' : '\n'
    column = fits ? column + separator.length + word.length : word.length
    return separator + word
  })
  return pieces.join('')
}

async function step(command, args, next) {
  const code = await run(command, args)
  if (code >= 128) process.exit(code)
  if (code !== 0) stop(`"${command} ${args.join(' ')}" ended with exit code ${code}`, next)
}

function stop(message, next) {
  for (const line of [message, ...next]) say(line)
  process.exit(1)
}

function isReady() {
  return !isStale(packages) && existsSync(pinnedNode) && !isStale(built)
}

/** Is the mark missing, or made from other contents than these paths have now? */
function isStale({ mark, of }) {
  const file = join(root, mark)
  return !existsSync(file) || readFileSync(file, 'utf8') !== fingerprint(of)
}

function mark({ mark, of }) {
  mkdirSync(dirname(join(root, mark)), { recursive: true })
  writeFileSync(join(root, mark), fingerprint(of))
}

/** One hash over names and contents, so that timestamps and the checkout's location do not matter. */
function fingerprint(paths) {
  const hash = createHash('sha256')
  const add = (path) => {
    if (path === join('src', 'wire', 'gen')) return // generated by the build
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
