// `npm start`: the main job on the process driver, from a fresh checkout to a running cluster that has executed an
// action and found its result in the cache.
import { realpathSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { pinnedNode, root, run, say, setUp } from './setup.js'

const greeting = ['/bin/sh', '-c', 'echo "hello from a remote action"']
const program = join(root, 'bin/run.js')

await setUp()
await native('up')
await native('deploy')
say('running an action remotely, then once more')
await native('exec', '--fresh', '--', ...greeting)
await native('exec', '--', ...greeting)
await native('ips')
if (!isOnPath()) {
  say('to have the command "native", run:')
  // On a line of its own, which is not wrapped: it is to be copied.
  process.stderr.write(`  mkdir -p ~/.local/bin && ln -sf ${quoted(program)} ~/.local/bin/native\n`)
}
say('next: "native bazelrc" for Bazel, "native status", "native down"')

async function native(...args) {
  const code = await run(pinnedNode, [program, ...args])
  if (code !== 0) process.exit(code)
}

/** Is `native` this checkout's program? npm puts folders of its own in front of PATH, which do not contain one. */
function isOnPath() {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      return realpathSync(join(folder, 'native')) === realpathSync(program)
    } catch {
      return false // not in this folder
    }
  })
}

/** A path quoted for a shell. */
function quoted(path) {
  return /^[\w./@+-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`
}
