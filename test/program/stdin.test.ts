import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createNative, type Native, root } from '../fixture/program.ts'

// `while read each; do native ...; done < list`: a command that reads what it does not need takes the rest of the list.

let native: Native
beforeAll(async () => {
  native = await createNative([])
})
afterAll(() => native.dispose())

/** Runs the program and then cat, on the same standard input. */
async function withRest(args: readonly string[], input: string) {
  const file = join(native.home, 'input')
  await writeFile(file, input)
  // A file, at whose place both stand: what the one reads the other lacks.
  const script = 'exec <"$0"; "$@"; echo "ended with $?"; exec cat'
  const program = [process.execPath, join(root, 'bin/run.js'), ...args]
  return await execa('/bin/sh', ['-c', script, file, ...program], {
    env: native.env,
    extendEnv: false,
    cwd: native.home,
  })
}

test.each([
  [['example'], 2],
  [['status'], 0],
  [['logs'], 3],
  [['ips'], 3],
  [['completion'], 2],
  [['image', 'inspect'], 2],
  [['image', 'verify'], 2],
  [['image', 'sign'], 2],
  [['image', 'ls'], 2],
  [['image', 'copy'], 2],
  [['exec'], 2],
])('%j takes nothing from standard input', async (args, code) => {
  const { stdout } = await withRest(args, 'elsewhere\nsecond\n')
  expect(stdout.split('\n').slice(-3)).toEqual([`ended with ${code}`, 'elsewhere', 'second'])
  expect(await readdir(native.home)).not.toContain('elsewhere')
})
