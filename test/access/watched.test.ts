import { writeFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { watched } from '../../src/access/watched.ts'
import { testFolder } from '../fixture/folder.ts'
import { recordingLog } from '../fixture/log.ts'

test('a change that cannot be read at once is read at the next look, and said once', async () => {
  const { log, lines } = recordingLog()
  const path = `${await testFolder()}/users`
  await writeFile(path, 'alice')
  let refusals = 0
  const file = await watched(
    path,
    async () => {
      if (refusals === 0) return `read ${refusals}`
      refusals -= 1
      throw Object.assign(new Error('too many open files'), { code: 'EMFILE' })
    },
    log,
  )
  expect(await file.look()).toBe(false)
  await writeFile(path, 'alice was taken out')
  refusals = 2
  expect([await file.look(), await file.look(), await file.look(), await file.look()]).toEqual([
    false,
    false,
    true,
    false,
  ])
  expect(lines.filter(({ level }) => level === 'error')).toHaveLength(1)
})
