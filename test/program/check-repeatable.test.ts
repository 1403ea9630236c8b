import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { notElsewhereReasons, notRunReasons, type RepeatReport } from '../../src/cli/repeat/outcome.ts'
import { createActionsClient } from '../../src/client/actions.ts'
import { createCasClient } from '../../src/client/cas.ts'
import { requestMetadata } from '../../src/client/request-metadata.ts'
import { differenceKinds } from '../../src/core/output-difference.ts'
import { openChannel } from '../../src/wire/channel.ts'
import { re } from '../../src/wire/proto.ts'
import { blobOf } from '../fixture/blob.ts'
import { readDocuments } from '../fixture/documents.ts'
import { eventually } from '../fixture/eventually.ts'
import { createNative, type Native } from '../fixture/program.ts'
import { disagreements } from '../fixture/shape.ts'

const { tables, text } = await readDocuments()
let native: Native

beforeAll(async () => {
  native = await createNative()
  await native.ok('deploy', '--workers', '2', '--slots', '2')
  await mkdir(join(native.home, 'src'))
})
afterAll(() => native.dispose())

/** Runs a shell's line remotely. @returns the id of its build, once the console has it */
async function built(line: string, ...outputs: string[]): Promise<string> {
  const known = new Set((await builds()).map(({ id }) => id))
  const flags = outputs.flatMap((output) => ['--output', output])
  await native.ok('exec', ...flags, '--output-to', 'src', '--', '/bin/sh', '-c', line)
  const after = await eventually(builds, (all) => all.some(({ id, actions }) => !known.has(id) && actions > 0))
  return after.find(({ id }) => !known.has(id))?.id ?? ''
}

async function builds(): Promise<{ id: string; actions: number }[]> {
  return JSON.parse((await native.ok('builds', '--json')).stdout).builds
}

async function check(...args: string[]): Promise<{ exitCode: number; report: RepeatReport }> {
  const { exitCode, stdout, stderr } = await native.run('check-repeatable', '--json', ...args)
  if (stdout === '') throw new Error(stderr)
  return { exitCode, report: JSON.parse(stdout) }
}

test('an action that makes the same each time is told so, and leaves no trace', async () => {
  const line = 'echo same > out; ln -s out link'
  const build = await built(line, 'out', 'link')
  const count = (await builds()).length
  const { exitCode, report } = await check()
  expect(exitCode).toBe(0)
  expect(report).toEqual({
    ...{ build, checked: 1, same: 1, different: [], moreDifferent: 0, left: 0, stopped: null },
    ...{ notElsewhere: [], notRun: [] },
  })
  const { stdout } = await native.ok('check-repeatable', build.slice(0, 8))
  expect(stdout).toBe(`Build ${build}: 1 action run again (on another worker), and it made the same.`)
  expect(await builds()).toHaveLength(count)
})

test('what differs is named, down to the entry of an archive, and the cache keeps what it has', async () => {
  // Each run has another name, size and time of its own.
  const run = 'read -r id < /proc/sys/kernel/random/uuid'
  const line = `${run}; echo $id > f; touch -d @$(od -An -N3 -tu4 /dev/urandom | tr -d ' ') f; tar cf a.tar f; mkdir d; echo x > d/$id; echo same > s`
  const build = await built(line, 'a.tar', 'd', 's')
  const { exitCode, report } = await check(build.slice(0, 12))
  expect(exitCode).toBe(30)
  expect(report).toMatchObject({ build, checked: 1, same: 0, notRun: [] })
  const [different] = report.different
  expect(different).toMatchObject({ mnemonic: 'exec', exitCodes: [0, 0], moreOutputs: 0 })
  expect(different?.workers.toSorted()).toEqual(['worker-1', 'worker-2'])
  expect(different?.outputs.map(({ kind }) => kind).toSorted()).toEqual(['contents', 'only-first', 'only-second'])
  const tar = different?.outputs.find(({ path }) => path === 'a.tar')
  expect(tar?.contents).toMatchObject({
    format: 'tar',
    differences: [
      { within: ['f'], kind: 'time', offset: null },
      { within: ['f'], kind: 'contents', offset: expect.any(Number) },
    ],
  })
  const people = await native.run('check-repeatable', build)
  expect(people.exitCode).toBe(30)
  expect(people.stdout).toMatch(/^ {2}a\.tar differs from byte \d+ on \(10240 bytes\)$/m)
  expect(people.stdout).toMatch(/^ {4}f: a time$/m)
  const cached = await native.ok(
    'exec',
    '--json',
    '--output',
    'a.tar',
    '--output',
    'd',
    '--output',
    's',
    '--output-to',
    'src',
    '--',
    '/bin/sh',
    '-c',
    line,
  )
  expect(JSON.parse(cached.stdout)).toMatchObject({ cached: true })
})

test('without a result in the cache two runs are compared', async () => {
  const known = new Set((await builds()).map(({ id }) => id))
  await native.ok(
    'exec',
    '--no-cache',
    '--output',
    'out',
    '--output-to',
    'src',
    '--',
    '/bin/sh',
    '-c',
    'cat /proc/sys/kernel/random/uuid > out',
  )
  const all = await eventually(builds, (now) => now.some(({ id, actions }) => !known.has(id) && actions > 0))
  const { exitCode, report } = await check(all.find(({ id }) => !known.has(id))?.id ?? '')
  expect(exitCode).toBe(30)
  expect(report.different[0]?.outputs).toMatchObject([
    { path: 'out', kind: 'contents', contents: { format: 'unknown' } },
  ])
})

test('inputs that nobody uploaded, a limit and a build that nobody knows are told', async () => {
  const { cache } = JSON.parse((await native.ok('ips', '--json')).stdout)
  const channel = openChannel(cache.url)
  const invocation = 'cache-alone'
  try {
    const metadata = requestMetadata({ tool: 'bazel', invocation, mnemonic: 'CppCompile' })
    const cas = createCasClient(channel, { metadata })
    const wire = ({ digest }: ReturnType<typeof blobOf>) => ({ hash: digest.hash, sizeBytes: digest.size })
    for (const name of ['one', 'two', 'three']) {
      const command = blobOf(re.Command.encode({ arguments: ['cc', name], outputPaths: [name] }).finish())
      const root = blobOf(re.Directory.encode({ files: [{ name, digest: wire(blobOf(name)) }] }).finish())
      const action = blobOf(re.Action.encode({ commandDigest: wire(command), inputRootDigest: wire(root) }).finish())
      await cas.upload([command, action].map(({ digest, bytes }) => ({ digest, content: bytes })))
      await createActionsClient(channel, { metadata }).update(action.digest, { exitCode: 0 })
    }
  } finally {
    channel.close()
  }
  await eventually(builds, (all) => all.some(({ id, actions }) => id === invocation && actions === 3))
  const { exitCode, report } = await check(invocation, '--limit', '2')
  expect(exitCode).toBe(0)
  expect(report).toMatchObject({ checked: 0, left: 1, notRun: [{ reason: 'inputs-missing', actions: 2 }] })
  const unknown = await native.run('check-repeatable', 'nobody')
  expect(unknown).toMatchObject({ exitCode: 3, stderr: expect.stringContaining('no build is called "nobody"') })

  const date = await built('cat /proc/sys/kernel/random/uuid > u', 'u')
  const stopped = { ...report, stopped: { actions: 1, message: 'the scheduler is away' } }
  const notElsewhere = [{ reason: 'only-worker', actions: 1, example: '//app:a Genrule' }]
  const samples = [report, (await check(date)).report, { ...stopped, notElsewhere }]
  const table = tables.find(({ section, title }) => section === 'JSON' && title.startsWith('`check-repeatable`'))
  if (!table) throw new Error('docs/json.md has no table of check-repeatable')
  // The other sides of what is null or empty are held by types.
  const rows = table.rows.map(([field = '', type = '', ...rest]) => [field, type, ...rest])
  expect(disagreements({ ...table, rows }, samples)).toEqual([])
})

test('with one worker, actions run there again, which is told', async () => {
  await native.ok('deploy', '--workers', '1')
  const build = await built('echo alone > alone', 'alone')
  const { report } = await check(build)
  const notElsewhere = [{ reason: 'only-worker', actions: 1, example: 'exec' }]
  expect(report).toMatchObject({ checked: 1, same: 1, notElsewhere })
  const { stdout } = await native.ok('check-repeatable', build)
  expect(stdout).toContain('1 action ran on the same worker again, because no other worker could run it')
})

test('docs/json.md names every kind of difference and every reason', () => {
  for (const kind of [...differenceKinds, ...notElsewhereReasons, ...notRunReasons])
    expect(text).toContain(`\`${kind}\``)
})
