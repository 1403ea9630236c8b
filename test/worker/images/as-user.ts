// Runs actions in an image, as whoever runs it: as-user.ts FOLDER. Prints JSON: what they wrote.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { applyLayer } from '../../../src/image/unpack/layer.ts'
import { storedEntries, storeLayer } from '../../../src/image/unpack/stored-layer.ts'
import { furnishTree } from '../../../src/worker/images/tree.ts'
import { layerOf, shellEntries } from '../../fixture/layers.ts'
import { openRunner } from '../sandbox/runner.ts'

const [, , folder = '/nonexistent'] = process.argv
const tree = join(folder, 'tree')
const stored = join(folder, 'layer')
for (const each of [tree, stored]) mkdirSync(each)
async function* whole(bytes: Buffer): AsyncGenerator<Uint8Array> {
  yield bytes
}
const layer = await layerOf([
  ...shellEntries(),
  { name: 'private', content: 'private\n', mode: 0o600 },
  { name: 'etc/fstab', content: '/dev/sda1 / ext4 errors=remount-ro 0 1\n' },
  { name: '-m0', type: 'directory' },
  { name: '-f', type: 'symlink', target: '-ft/' },
])
await storeLayer(whole(layer), stored, { bytes: 1e9, entries: 1000 }, 'test')
await applyLayer(storedEntries(stored), tree, { bytes: 1e9, entries: 1000 }, 'test')
furnishTree(tree)
const runner = openRunner(join(folder, 'worker'), { ways: ['sandbox'] })
const run = async (script: string) => (await runner.sh(script, { image: tree })).stdout
const output = {
  first: await run('echo /bin/*; cat /private; echo > /tmp/left; echo > /dev/shm/left; (: > /bin/new) || echo held'),
  second: await run('echo /tmp/* /dev/shm/*; cat /proc/self/mountinfo'),
}
await runner.close()
console.log(JSON.stringify(output))
