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

test('what an action prints is there while it runs, line by line, as documented with --json', async () => {
  const { program, line, note } = startCommand(native, 'tail')
  const { program: other, line: jsonLine, note: jsonNote } = startCommand(native, 'tail', '--json')
  // Both follow before anything runs.
  for (const each of [note, jsonNote]) await each(/no action is running/)
  // It runs until both have shown its first line.
  const { program: running } = startCommand(
    native,
    'exec',
    '--no-cache',
    '--',
    'sh',
    '-c',
    'echo first; echo second >&2; sleep 60',
  )
  expect(await line()).toMatch(/^\S+ \| first$/)
  const object: unknown = JSON.parse(await jsonLine())
  expect(object).toMatchObject({ text: 'first', stream: 'stdout' })
  const { tables } = await readDocuments()
  const table = tables.find(({ section, title }) => section === 'JSON' && title.startsWith('`tail`'))
  if (!table) throw new Error('docs/json.md has no table of `tail`')
  expect(disagreements(table, [object])).toEqual([])
  expect(await line()).toMatch(/ \| second$/)
  for (const each of [program, other]) each.kill('SIGINT')
  expect(await program).toMatchObject({ exitCode: 130 })
  expect(await other).toMatchObject({ exitCode: 130 })
  running.kill('SIGINT')
  await running
})

test('a build that nobody knows is an error', async () => {
  const { exitCode, stderr } = await native.run('tail', 'abcdef')
  expect({ exitCode, stderr }).toEqual({ exitCode: 3, stderr: expect.stringContaining('no build is called "abcdef"') })
})
