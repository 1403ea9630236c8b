import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Explanation } from '../../src/explain/build.ts'
import { causeKinds } from '../../src/explain/cause.ts'
import { plain, readDocuments } from '../fixture/documents.ts'
import { eventually } from '../fixture/eventually.ts'
import { createNative, type Native, type Ran } from '../fixture/program.ts'
import { disagreements } from '../fixture/shape.ts'

const { tables, text } = await readDocuments()
let native: Native

beforeAll(async () => {
  native = await createNative()
  await native.ok('deploy', '--slots', '2')
  await mkdir(join(native.home, 'src'))
})
afterAll(() => native.dispose())

/** Counts the words of a text remotely; its output is the same file each time. */
async function count(words: string, ...flags: string[]): Promise<string> {
  await writeFile(join(native.home, 'src/words'), words)
  const command = ['/bin/sh', '-c', 'wc -w < words > count']
  const { stdout } = await native.ok(
    'exec',
    '--json',
    '--input',
    'src',
    '--output',
    'count',
    ...flags,
    '--',
    ...command,
  )
  return JSON.parse(stdout).action
}

/** What is explained of an action, once the console has read it. */
function explained(...args: string[]): Promise<Explanation> {
  return eventually(
    async () => JSON.parse((await native.ok('explain', ...args, '--json')).stdout) as Explanation,
    ({ causes }) => causes.every(({ kind }) => kind !== 'not-uploaded'),
  )
}

test('an input, a variable and an action that is not to be cached are told apart', async () => {
  const first = await count('one two')
  expect((await explained(first)).causes).toMatchObject([{ kind: 'never-seen', actions: 1 }])

  const second = await count('one two three')
  const input = await explained(second)
  expect(input.causes).toMatchObject([
    { kind: 'input', subject: 'words', examples: [{ action: second, against: first }] },
  ])

  const third = await count('one two three', '--env', 'LANG=C')
  const variable = await explained(third)
  expect(variable.causes).toMatchObject([{ kind: 'variable', subject: 'LANG', one: null, other: 'C' }])
  const { stdout } = await native.ok('explain', third)
  expect(stdout).toContain('1 action')
  expect(stdout).toMatch(/: variable LANG is new\n {2}\+ C\n/)

  const fresh = await count('one two three', '--fresh')
  // It is the action of an earlier build too, which is the last one until the console has heard of this.
  const again = await eventually(
    () => explained(fresh),
    ({ build }) => build.id !== input.build.id,
  )
  expect(again.causes).toMatchObject([{ kind: 'not-asked' }])

  const uncached = await count('four', '--no-cache')
  expect((await explained(uncached)).causes).toMatchObject([{ kind: 'not-cacheable' }])

  const table = tables.find(({ section, title }) => section === 'JSON' && title.startsWith('`explain`'))
  if (!table) throw new Error('docs/json.md has no table of explain')
  // Links of a chain need two actions, and evictions a full cache: their shapes are held by types alone.
  const rows = table.rows.filter(([field = '']) => !/chain\[\]|evictedMs\./.test(plain(field)))
  const wanted = rows.map(([field = '', ...others]) => [field, ...others])
  const samples = [input, variable].map((each) => ({
    ...each,
    causes: each.causes.map((cause) => ({ ...cause, chain: undefined })),
  }))
  const without = wanted.map(([field = '', type = '', ...others]) =>
    plain(field).endsWith('evictedMs') ? [field, 'null', ...others] : [field, type, ...others],
  )
  const first_ = await explained(first)
  const unseen = { ...first_, causes: first_.causes.map((cause) => ({ ...cause, chain: undefined })) }
  expect(disagreements({ ...table, rows: without }, JSON.parse(JSON.stringify([...samples, unseen])))).toEqual([])
})

test('an output names the last action that made it', async () => {
  const last = await count('five six')
  // Until the console has heard of it and read it, the action before is the last one.
  const exampleOf = ({ causes }: Explanation) => causes[0]?.examples[0]?.action
  const explanation = await eventually(
    () => explained('count'),
    (each) => exampleOf(each) === last,
  )
  expect(exampleOf(explanation)).toBe(last)
})

test('docs/json.md names every kind of cause', () => {
  for (const kind of causeKinds) expect(text).toContain(`\`${kind}\``)
})

test('what was not built, and a cluster without a console, are told with an exit code', async () => {
  const ran: Ran[] = [await native.run('explain', '//no:target'), await native.run('explain', '--against', 'nobody')]
  expect(ran.map(({ exitCode }) => exitCode)).toEqual([3, 3])
  expect(ran[0]?.stderr).toContain('nothing that was built recently is called "//no:target"')
  await native.ok('deploy', '--no-console')
  const without = await native.run('explain')
  expect(without.exitCode).toBe(5)
  expect(without.stderr).toContain('native deploy --console')
})
