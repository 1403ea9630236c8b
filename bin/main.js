// What run.js starts on a Node that is new enough: the built program in dist.
import { existsSync, mkdirSync } from 'node:fs'
import module from 'node:module'
import { dirname, isAbsolute, join } from 'node:path'

/** For "precondition", as in src/cli/exit.ts. */
const preconditionExit = 5

/** Runs the program. @param args the command-line arguments */
export async function start(args) {
  const root = dirname(import.meta.dirname)
  const main = join(root, 'dist/src/cli/main.js')
  if (!existsSync(main)) return stop('this checkout is not built: run "npm start" or "npm run build" in it')
  keepCompiled()
  const { main: run } = await import(main)
  await run(args, root)
}

/**
 * Caches compiled code for the next run, which saves a quarter of a short command's time. The cache goes where XDG
 * says; if it cannot be written there, there is none.
 */
function keepCompiled() {
  const { XDG_CACHE_HOME: cache, HOME: home } = process.env
  const folder = cache && isAbsolute(cache) ? cache : home && isAbsolute(home) && join(home, '.cache')
  if (folder && isMade(join(folder, 'native/compiled'))) module.enableCompileCache(join(folder, 'native/compiled'))
}

/** Makes a folder and its parents. Node's own recursive mkdir never returns below /proc. */
function isMade(path) {
  try {
    if (existsSync(path)) return true
    if (dirname(path) === path || !isMade(dirname(path))) return false
    mkdirSync(path)
    return true
  } catch (error) {
    return error.code === 'EEXIST'
  }
}

function stop(message) {
  process.stderr.write(`native: ${message}\n`)
  process.exitCode = preconditionExit
}
