// A process that starts an action's process and is then killed (spawner.test.ts).
import { join } from 'node:path'
import { createSpawner } from '../../src/worker/spawner.ts'

const folder = process.argv[2] ?? '/nonexistent'
const spawned = createSpawner().start({
  file: '/bin/sh',
  args: ['sh', '-c', 'echo $$ > pid; exec sleep 300'],
  env: {},
  cwd: folder,
  stdout: join(folder, 'out'),
  stderr: join(folder, 'err'),
})
await spawned.started
process.stdout.write('started\n')
