import { mkdir, open, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { shownFailure } from '../../src/cli/failures.ts'
import { testFolder } from '../fixture/folder.ts'

async function thrownBy(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => undefined,
    (error: unknown) => error,
  )
}

const onLinux = process.platform === 'linux'

describe('an error of the file system', () => {
  it('is about the place, not a mistake of ours', async () => {
    const folder = await testFolder()
    await writeFile(join(folder, 'file'), '')
    await symlink('loop', join(folder, 'loop'))
    const cases = [
      ['not-found', join(folder, 'none'), readFile(join(folder, 'none'))],
      ['invalid', join(folder, 'file/below'), mkdir(join(folder, 'file/below'))],
      ['invalid', join(folder, 'loop'), readFile(join(folder, 'loop'))],
      ['invalid', join(folder, 'x'.repeat(300)), mkdir(join(folder, 'x'.repeat(300)))],
    ] as const
    for (const [kind, where, work] of cases) {
      const shown = shownFailure(await thrownBy(work))
      expect(shown).toMatchObject({ kind, where })
      expect(shown.next).toHaveLength(1)
      expect(shown.next[0]).not.toContain('mistake')
    }
  })

  it.runIf(onLinux)('of a full disk is one of room, though the system names no place', async () => {
    const full = await open('/dev/full', 'w')
    try {
      expect(shownFailure(await thrownBy(full.writeFile('x')))).toMatchObject({
        kind: 'exhausted',
        message: 'the disk is full (write: ENOSPC)',
        where: null,
      })
    } finally {
      await full.close()
    }
  })

  it('does not hide a program that could not be started, or anything else', () => {
    const spawn = Object.assign(new Error('spawn git ENOENT'), { code: 'ENOENT', syscall: 'spawn git' })
    expect(shownFailure(spawn).kind).toBe('internal')
    expect(shownFailure(new Error('ENOENT')).kind).toBe('internal')
  })
})
