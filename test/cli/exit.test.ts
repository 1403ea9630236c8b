import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { exitCodes } from '../../src/cli/exit.ts'

/** The rows of the table in the room's README. */
async function documented(): Promise<Map<string, number>> {
  const text = await readFile(new URL('../../src/cli/README.md', import.meta.url), 'utf8')
  const rows = [...text.matchAll(/^\| (\d+) *\| ([^|]*) \|/gm)]
  return new Map(rows.flatMap(([, code, kinds = '']) => kinds.split(',').map((kind) => [kind.trim(), Number(code)])))
}

test('every exit code is documented, and every documented one exists', async () => {
  const table = await documented()
  expect(table.get('-')).toBe(0)
  table.delete('-')
  expect(Object.fromEntries(table)).toEqual(exitCodes)
})

test('only success is 0', () => {
  expect(Object.values(exitCodes)).not.toContain(0)
})
