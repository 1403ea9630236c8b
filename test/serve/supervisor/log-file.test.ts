import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { finished } from 'node:stream/promises'
import { expect, test } from 'vitest'
import { rotatingLog, wholeLines } from '../../../src/serve/supervisor/log-file.ts'
import { testFolder } from '../../fixture/folder.ts'

async function written(folder: string, bytesMax: number, lines: readonly string[]): Promise<unknown[]> {
  const errors: unknown[] = []
  const log = rotatingLog(folder, 'cas', bytesMax, (error) => errors.push(error))
  for (const line of lines) log.write(line)
  log.end()
  await finished(log)
  return errors
}

test('a log is appended to, and is its user’s alone', async () => {
  const folder = await testFolder()
  await written(folder, 1_000, ['one\n'])
  await written(folder, 1_000, ['two\n'])
  expect(await readFile(join(folder, 'cas.log'), 'utf8')).toBe('one\ntwo\n')
  expect((await stat(join(folder, 'cas.log'))).mode & 0o777).toBe(0o600)
})

test('a full log moves up, at a line’s end, and five old ones are kept', async () => {
  const folder = await testFolder()
  await written(
    folder,
    10,
    Array.from({ length: 20 }, (_, at) => `line ${String(at).padStart(2, '0')}\n`),
  )
  expect((await readdir(folder)).sort()).toEqual([
    'cas.log',
    'cas.log.1',
    'cas.log.2',
    'cas.log.3',
    'cas.log.4',
    'cas.log.5',
  ])
  expect(await readFile(join(folder, 'cas.log'), 'utf8')).toBe('line 19\n')
  expect(await readFile(join(folder, 'cas.log.5'), 'utf8')).toBe('line 14\n')
})

test('a line larger than the bound is written whole', async () => {
  const folder = await testFolder()
  await written(folder, 10, [`${'x'.repeat(50)}\n`, 'y\n'])
  expect(await readFile(join(folder, 'cas.log.1'), 'utf8')).toBe(`${'x'.repeat(50)}\n`)
})

test('a disk that refuses does not stop the writer', async () => {
  const folder = join(await testFolder(), 'not-there')
  const errors = await written(folder, 10, ['one\n', 'two\n'])
  expect(errors).toHaveLength(2)
})

test('lines pass whole, whatever the pieces; one without end is cut at 64 KiB', async () => {
  const pieces = ['on', 'e\ntw', 'o\nthree', 'x'.repeat(70_000), '\nfour']
  const out = await text(Readable.from(pieces.map((each) => Buffer.from(each))).pipe(wholeLines()))
  expect(out).toBe(`one\ntwo\nthree${'x'.repeat(70_000)}\n\nfour\n`)
})
