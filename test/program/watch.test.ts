import { afterAll, beforeAll, expect, test } from 'vitest'
import { readDocuments } from '../fixture/documents.ts'
import { createNative, type Native } from '../fixture/program.ts'
import { disagreements } from '../fixture/shape.ts'
import { startCommand } from '../fixture/started.ts'

let native: Native

beforeAll(async () => {
  native = await createNative()
  await native.ok('deploy', '--workers', '1', '--slots', '2')
})
afterAll(() => native.dispose())

function watching(...args: string[]) {
  return startCommand(native, 'status', '--watch', '--interval', '300ms', ...args)
}

test('what waits and runs is told a line each time, while the cluster goes and comes back', async () => {
  const { program, line } = watching()
  await line(/Z deployed; none waiting, 0 of 2 slots busy on 1 worker; cache \d/)
  await native.ok('exec', '--', '/bin/echo', 'watched')
  const busy = native.ok('exec', '--no-cache', '--', '/bin/sleep', '3')
  await line(/Z deployed; none waiting, 1 of 2 slots busy on 1 worker; .* actions\/s; lookups\/s /)
  await busy
  await line(/; 0\.\d+ actions\/s;|; [1-9][\d.]* actions\/s;/)
  await native.ok('down')
  await line(/Z absent$/)
  await native.ok('deploy', '--workers', '1', '--slots', '1')
  await line(/Z deployed; none waiting, 0 of 1 slot busy on 1 worker/)
  program.kill('SIGINT')
  expect(await program).toMatchObject({ exitCode: 0, stderr: '' })
})

test('with --json each line is the status as it is documented, with rates', async () => {
  const { program, line } = watching('--json')
  const first = JSON.parse(await line())
  const second = JSON.parse(await line())
  program.kill('SIGTERM')
  expect(await program).toMatchObject({ exitCode: 0 })
  expect(first).toMatchObject({ state: 'deployed', rates: null, load: { slots: expect.any(Number) } })
  expect(second.at).toBeGreaterThan(first.at)

  const { tables } = await readDocuments()
  const table = tables.find(({ section, title }) => section === 'JSON' && title.startsWith('`status --watch`'))
  if (!table) throw new Error('docs/json.md has no table of status --watch')
  // Of an idle cluster the share of hits is not known.
  const rows = table.rows.filter(([field = '']) => !field.includes('error'))
  expect(
    disagreements(
      { ...table, rows },
      [first, second].map(({ at, rates }) => ({ at, rates })),
    ),
  ).toEqual([])
})

test('a cluster that is not there is watched until it is', async () => {
  const { program, line } = watching('--name', 'later')
  await line(/Z absent$/)
  program.kill('SIGINT')
  expect(await program).toMatchObject({ exitCode: 0 })
})

test('intervals that are none, and flags that need each other, are told', async () => {
  for (const interval of ['1ms', '30h', 'often'])
    expect(await native.run('status', '--watch', '--interval', interval)).toMatchObject({ exitCode: 2, stdout: '' })
  expect(await native.run('status', '--interval', '5s')).toMatchObject({ exitCode: 2 })
  expect(await native.run('status', '--watch', '--exit-status')).toMatchObject({ exitCode: 2 })
})
