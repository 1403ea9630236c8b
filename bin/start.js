// `npm start`: the main job on the process driver, from a checkout where nothing has been
// done yet to a running cluster that has executed an action and found it again.
import { join } from 'node:path'
import { pinnedNode, root, run, say, setUp } from './setup.js'

const greeting = ['/bin/sh', '-c', 'echo "hello from a remote action"']

await setUp()
await native('up')
await native('deploy')
say('running an action remotely, then once more')
await native('exec', '--fresh', '--', ...greeting)
await native('exec', '--', ...greeting)
await native('ips')
say('next: "npx native bazelrc" for Bazel, "npx native status", "npx native down"')

async function native(...args) {
  const code = await run(pinnedNode, [join(root, 'bin/run.js'), ...args])
  if (code !== 0) process.exit(code)
}
