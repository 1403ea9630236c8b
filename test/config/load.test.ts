import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { casConfig } from '../../src/config/cas.ts'
import { loadConfig } from '../../src/config/load.ts'
import { ownText } from '../../src/config/own-text.ts'
import { parseConfig } from '../../src/config/parse.ts'
import { workerConfig } from '../../src/config/worker.ts'
import { Failure } from '../../src/core/failure.ts'
import { testFolder } from '../fixture/folder.ts'

const cas = (text: string) => parseConfig(text, 'cas.yaml', casConfig)

function failureOf(action: () => unknown): Failure {
  try {
    action()
  } catch (error) {
    if (error instanceof Failure) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

test('a right configuration is filled up with what is usual', () => {
  const config = cas('listen: 127.0.0.1:0\nstore: { kind: disk, path: /tmp/x, size: 20GB }\n')
  expect(config).toMatchObject({
    listen: '127.0.0.1:0',
    instances: ['*'],
    store: { kind: 'disk', size: 20e9, durability: 'process' },
    drain: 30_000,
  })
})

test('one problem is told with file, line, column, key and what was expected', () => {
  const failure = failureOf(() => cas('store: { kind: memory, size: 1GB }\nlisten: nonsense\n'))
  expect(failure).toMatchObject({ kind: 'invalid', where: 'cas.yaml:2:9' })
  expect(failure.message).toBe('listen: expected HOST:PORT, for instance 127.0.0.1:50051 or [::1]:50051')
})

test.each([
  { chunking: '{ rep_max: { min: 1023 } }', told: 'chunking.rep_max.min: must be from 1 KiB to 1 MiB' },
  { chunking: '{ rep_max: { min: 2MiB } }', told: 'chunking.rep_max.min: must be from 1 KiB to 1 MiB' },
  { chunking: '{ rep_max: { horizon: 9MiB } }', told: 'chunking.rep_max.horizon: must be at most 8 MiB' },
  { chunking: '{ average: 3000 }', told: 'chunking.average: must be a power of two from 1 KiB to 1 MiB' },
])('chunks of a size that clients do not take are refused: $chunking', ({ chunking, told }) => {
  const text = `listen: 127.0.0.1:0\nstore: { kind: memory, size: 1GB }\nchunking: ${chunking}\n`
  expect(failureOf(() => cas(text)).message).toBe(told)
})

test('all problems are told, in the order of the file', () => {
  const text =
    'listen: 127.0.0.1:1\nlog:\n  level: loud\nstore:\n  kind: disk\n  path: 5\n  size: 20 bananas\ntypo: 1\n'
  const { message, where } = failureOf(() => cas(text))
  expect(where).toBe('cas.yaml:3:10')
  const [title, ...lines] = message.split('\n')
  expect(title).toBe('4 problems in the configuration')
  expect(lines.map((line) => line.trim().split(' ').slice(0, 2).join(' '))).toEqual([
    'cas.yaml:3:10 log.level:',
    'cas.yaml:6:9 store.path:',
    'cas.yaml:7:9 store.size:',
    'cas.yaml:8:1 typo:',
  ])
  expect(message).toContain('20 bananas')
})

test('a setting that is missing is told where its parent is', () => {
  const failure = failureOf(() => cas('listen: 127.0.0.1:1\nstore:\n  kind: disk\n  size: 1GB\n'))
  expect(failure.where).toBe('cas.yaml:3:3')
  expect(failure.message).toMatch(/^store\.path: /)
})

test('places inside lists and under quoted keys are found', () => {
  const schema = z.strictObject({ 'a b': z.array(z.strictObject({ name: z.string() })) })
  const failure = failureOf(() => parseConfig('"a b":\n  - name: x\n  - name: 3\n', 'x.yaml', schema))
  expect(failure).toMatchObject({ where: 'x.yaml:3:11' })
  expect(failure.message).toMatch(/^a b\[1\]\.name: /)
})

test('what is not YAML is told where it stops being one', () => {
  expect(failureOf(() => cas('listen: "127.0.0.1:1\n')).where).toMatch(/^cas\.yaml:\d+:\d+$/)
  expect(failureOf(() => cas('a: 1\na: 2\n'))).toMatchObject({ kind: 'invalid', where: 'cas.yaml:2:1' })
})

test('an empty file is an empty map, a list is not', () => {
  expect(parseConfig('', 'x.yaml', z.strictObject({ a: z.number().default(3) }))).toEqual({ a: 3 })
  expect(failureOf(() => parseConfig('- 1\n', 'x.yaml', z.strictObject({}))).where).toBe('x.yaml:1:1')
})

test('aliases that unfold without measure are refused', () => {
  const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]']
  for (let at = 1; at < 9; at += 1)
    lines.push(
      `a${at}: &a${at} [${Array(10)
        .fill(`*a${at - 1}`)
        .join(', ')}]`,
    )
  expect(failureOf(() => cas(lines.join('\n')))).toMatchObject({ kind: 'invalid', where: 'cas.yaml' })
})

test('any text is a configuration or a Failure', () => {
  const words = fc.constantFrom(
    'listen: ',
    'store:\n  ',
    'kind: disk\n',
    '- ',
    '{',
    '}',
    '&a ',
    '*a',
    '"',
    '!!binary ',
    '\n',
    '? ',
    '<<: ',
  )
  fc.assert(
    fc.property(fc.array(fc.oneof(words, fc.string()), { maxLength: 12 }), (parts) => {
      try {
        parseConfig(parts.join(''), 'x.yaml', workerConfig)
      } catch (error) {
        expect(error).toMatchObject({ name: 'Failure', kind: 'invalid' })
      }
    }),
  )
})

test('a file is read; one that is not there is not found', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'config-'))
  const file = join(folder, 'x.yaml')
  const schema = z.strictObject({ a: z.number() })
  await writeFile(file, 'a: 5\n')
  expect(await loadConfig(file, schema)).toEqual({ a: 5 })
  await writeFile(file, ' '.repeat(1024 * 1024 + 1))
  await expect(loadConfig(file, schema)).rejects.toMatchObject({ kind: 'invalid', where: file })
  await expect(loadConfig(folder, schema)).rejects.toMatchObject({ kind: 'invalid', where: folder })
  await rm(folder, { recursive: true })
  await expect(loadConfig(file, schema)).rejects.toMatchObject({ kind: 'not-found', where: file })
})

const both = z.strictObject({ a: z.number().default(3), b: z.strictObject({ c: z.string() }).optional() })

test.each<[string, string, unknown]>([
  ['as this program writes it', ownText({ a: 1, b: { c: 'é "x"\n' } }), { a: 1, b: { c: 'é "x"\n' } }],
  ['with nothing in it', ownText({}), { a: 3 }],
  ['as JSON on one line', '{"a":1}', { a: 1 }],
  ['as YAML', 'b: { c: x }\n', { a: 3, b: { c: 'x' } }],
])('a file %s is read', async (_, text, value) => {
  expect(await loadConfig(await fileOf(text), both)).toEqual(value)
})

test.each<[string, string, string]>([
  ['a wrong value in a text of our own', ownText({ a: 1, b: { c: 4 } }), ':4:10'],
  ['a key that stands twice', '{\n  "a": 1,\n  "a": 2\n}\n', ':3:3'],
  ['JSON that ends too early', '{\n  "a": 1,\n', ':'],
])('%s is refused with its place', async (_, text, place) => {
  const file = await fileOf(text)
  await expect(loadConfig(file, both)).rejects.toMatchObject({
    kind: 'invalid',
    where: expect.stringContaining(`${file}${place}`),
  })
})

async function fileOf(text: string): Promise<string> {
  const file = join(await testFolder(), 'c.yaml')
  await writeFile(file, text)
  return file
}
