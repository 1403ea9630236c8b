import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createCasClient } from '../../src/client/cas.ts'
import { wireDigest } from '../../src/client/context.ts'
import { execute } from '../../src/client/execute.ts'
import { buildMerkleTree, treeSources } from '../../src/client/merkle.ts'
import { systemClock } from '../../src/core/clock.ts'
import { digestOf } from '../../src/core/hash.ts'
import { openChannel } from '../../src/wire/channel.ts'
import { re } from '../../src/wire/proto.ts'
import { createNative, root } from '../fixture/program.ts'
import { median } from './table.ts'

/**
 * What a compiler that stays between actions saves: so many compilations by the test's compiler in Python, with the key
 * of a persistent worker and without, in turns, on the built program (npm run build).
 *   node test/bench/persistent.ts [--actions 200] [--rounds 3] [--slots 2]
 */
const { values } = parseArgs({
  options: {
    actions: { type: 'string', default: '200' },
    rounds: { type: 'string', default: '3' },
    slots: { type: 'string', default: '2' },
  },
})
const [actions, rounds, slots] = [values.actions, values.rounds, values.slots].map(Number) as [number, number, number]
const toolProperties = { properties: [{ name: 'bazel_tool_input', value: '' }] }

const folder = await mkdtemp(join(tmpdir(), 'native-bench-'))
const native = await createNative()
try {
  await native.ok('up')
  const settings = join(folder, 'deployment.json')
  await writeFile(settings, JSON.stringify({ worker: { persistent: { enabled: true } } }))
  await native.ok('deploy', '--config', settings, '--workers', '1', '--slots', String(slots))
  const { stdout } = await native.ok('ips', '--shell')
  const [, cache = '', scheduler = ''] = /CACHE=(\S+)\s+SCHEDULER=(\S+)/.exec(stdout) ?? []
  const channels = { cas: openChannel(`grpc://${cache}`), scheduler: openChannel(`grpc://${scheduler}`) }
  const store = createCasClient(channels.cas)
  const times = { persistent: [] as number[], plain: [] as number[] }
  // One more, to warm up; in turns, so that what else the machine does hits both alike.
  for (let round = 0; round <= rounds; round += 1)
    for (const way of ['persistent', 'plain'] as const) {
      const digests = await Promise.all(Array.from({ length: actions }, (_, at) => put(`${way} ${round} ${at}`, way)))
      const began = performance.now()
      await Promise.all(digests.map(run))
      if (round > 0) times[way].push((performance.now() - began) / 1000)
    }
  const [fast, slow] = [median(times.persistent), median(times.plain)]
  const cells = [
    `${actions} compilations, ${slots} slots (s)`,
    fast.toFixed(2),
    slow.toFixed(2),
    (slow / fast).toFixed(2),
  ]
  process.stdout.write(
    `| | persistent | a process each | ratio |\n| --- | ---: | ---: | ---: |\n| ${cells.join(' | ')}x |\n`,
  )
  channels.cas.close()
  channels.scheduler.close()

  async function put(text: string, way: keyof typeof times) {
    const at = join(folder, text.replaceAll(' ', '-'))
    await mkdir(at)
    await copyFile(join(root, 'test/real/persistent/compiler.py'), join(at, 'compiler.py'))
    await writeFile(join(at, 'flags'), '--out=out\nsource\n')
    await writeFile(join(at, 'source'), text)
    const properties = (path: string) => (path.endsWith('.py') ? toolProperties : undefined)
    const tree = await buildMerkleTree(at, { fn: 'sha256', properties })
    const command = re.Command.encode({ arguments: ['./compiler.py', '@flags'], outputPaths: ['out'] }).finish()
    const action = re.Action.encode({
      commandDigest: wireDigest(digestOf('sha256', command)),
      inputRootDigest: wireDigest(tree.root.digest),
      ...(way === 'persistent' && { platform: { properties: [{ name: 'persistentWorkerKey', value: 'key' }] } }),
    }).finish()
    const blobs = [command, action].map((content) => ({ digest: digestOf('sha256', content), content }))
    await store.upload([...treeSources(tree), ...blobs])
    return digestOf('sha256', action)
  }
  async function run(action: Awaited<ReturnType<typeof put>>) {
    const { result } = await execute(channels.scheduler, { action }, { clock: systemClock })
    if (result.exitCode !== 0) throw new Error(`a compilation failed with exit code ${result.exitCode}`)
  }
} finally {
  await native.dispose()
  await rm(folder, { recursive: true, force: true })
}
