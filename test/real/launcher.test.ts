import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { execa } from 'execa'
import { describe, expect, test } from 'vitest'
import { launcherProgram } from '../../src/worker/sandbox/launcher.ts'
import { testFolder } from '../fixture/folder.ts'
import { have } from '../fixture/real.ts'

/** What runs a program of another instruction set. */
const emulators = { arm64: 'qemu-aarch64', x64: 'qemu-x86_64' } as const

describe.skipIf(!(await have(...Object.values(emulators))))('the launcher on another instruction set', () => {
  test.each(['arm64', 'x64'] as const)('%s', async (architecture) => {
    const file = join(await testFolder(), 'launch')
    writeFileSync(file, launcherProgram(architecture) ?? '', { mode: 0o755 })
    const launch = (...words: string[]) =>
      execa('unshare', ['--user', '--map-root-user', emulators[architecture], file, ...words], { reject: false })
    expect(await launch()).toMatchObject({ exitCode: 0 })
    const state = ['-E', '^(Cap|NoNewPrivs)', '/proc/self/status']
    for (const grep of ['grep', '/bin/grep']) {
      const { stdout } = await launch('/usr/bin/env', '--', grep, ...state)
      expect(stdout.match(/\S+$/gm)).toEqual([...Array(5).fill('0000000000000000'), '1'])
    }
    const words = await launch('/usr/bin/env', '--', '/bin/sh', '-c', 'printf "%s|" "$@"', 'sh', 'a b', '', '--')
    expect(words.stdout).toBe('a b||--|')
    const stderr = expect.stringContaining('nosuch')
    expect(await launch('/usr/bin/env', '--', './nosuch')).toMatchObject({ exitCode: 127, stderr })
    expect(await launch('/usr/bin/env')).toMatchObject({
      exitCode: 125,
      stderr: expect.stringContaining('cannot be taken away'),
    })
  })
})
