import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { programCheck, programs } from '../../../src/cluster/preflight/programs.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'native-programs-'))
})
afterEach(() => rm(folder, { recursive: true }))

async function program(name: string, script: string) {
  await writeFile(join(folder, name), `#!/bin/sh\n${script}\n`)
  await chmod(join(folder, name), 0o755)
}

const find = (title: string) => {
  const facts = programs.find((each) => each.title === title)
  if (!facts) throw new Error(title)
  return programCheck(facts, { PATH: folder }, folder).run()
}

test('a program that answers is named by its version', async () => {
  await program('kind', 'echo 0.33.0')
  expect(await find('kind')).toEqual({ state: 'ok', found: '0.33.0' })
})

test('the second choice counts when the first is not there', async () => {
  await program('bazelisk', 'echo "bazel 7.7.1"')
  expect(await find('bazel')).toEqual({ state: 'ok', found: '7.7.1' })
})

test('one without a version is there all the same', async () => {
  await program('bazel', 'echo "bazel no_version"')
  expect(await find('bazel')).toMatchObject({
    state: 'ok',
    found: expect.stringMatching(/^found; .*"bazel no_version"/),
  })
})

test('a missing one says who needs it and how to get it', async () => {
  expect(await find('docker')).toMatchObject({
    state: 'note',
    found: expect.stringContaining('kind driver'),
    cure: expect.stringContaining('Install docker'),
  })
})

test('one that fails is quoted', async () => {
  await program('docker', 'echo "Cannot connect to the Docker daemon" >&2; exit 1')
  expect(await find('docker')).toMatchObject({ state: 'note', found: 'Cannot connect to the Docker daemon' })
})
