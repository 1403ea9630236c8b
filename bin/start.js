// `npm start`: the main job on the process driver, from a checkout where nothing has been
// done yet to a running cluster that has executed an action and found it again.
import { join } from 'node:path'
import { root, run, say, setUp } from './setup.js'

const greeting = ['/bin/sh', '-c', 'echo "hello from a remote action"']

setUp()
native('up')
native('deploy')
say('running an action remotely, then once more')
native('exec', '--fresh', '--', ...greeting)
native('exec', '--', ...greeting)
native('ips')
say('next: "npx native bazelrc" for Bazel, "npx native status", "npx native down"')

function native(...args) {
  const code = run(process.execPath, [join(root, 'bin/run.js'), ...args])
  if (code !== 0) process.exit(code)
}
