// A worker's process, as far as it starts an action's process (spawner.test.ts); prints what that writes.
import { join } from 'node:path'
import { systemClock } from '../../src/core/clock.ts'
import { closeInherited } from '../../src/worker/inherited.ts'
import { searchPath } from '../../src/worker/program.ts'
import { createSpawner } from '../../src/worker/spawner.ts'
import { createSink } from '../../src/worker/stream.ts'

closeInherited()
const [, , folder = '/nonexistent', script = '', way = 'namespace'] = process.argv
const sink = () =>
  createSink({ fn: 'sha256', directory: folder, clock: systemClock, onData: (data) => process.stdout.write(data) })
const spawner = createSpawner({ directory: join(folder, 'slots'), ways: [way as 'namespace' | 'marks'] })
const started = await spawner.start(
  { args: ['/bin/sh', '-c', script], file: '/bin/sh', env: { PATH: searchPath }, cwd: folder, searchPath },
  { stdout: sink(), stderr: sink() },
)
await started.ended
await spawner.close()
