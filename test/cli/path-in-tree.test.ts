import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { pathInTree } from '../../src/cli/path-in-tree.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'path-in-tree-'))
  const bin = join(folder, 'base/execroot/_main/bazel-out/k8/bin')
  await mkdir(join(bin, 'app'), { recursive: true })
  await writeFile(join(bin, 'app/app'), '')
  await mkdir(join(folder, 'ws'))
  await symlink(bin, join(folder, 'ws/bazel-bin'))
})
afterAll(() => rm(folder, { recursive: true }))

test.each([
  ['bazel-bin/app/app', 'bazel-out/k8/bin/app/app'],
  ['./bazel-bin/app/_objs/only/in/the/cache.o', 'bazel-out/k8/bin/app/_objs/only/in/the/cache.o'],
  ['bazel-out/k8/bin/app/app', 'bazel-out/k8/bin/app/app'],
  ['app/app', 'app/app'],
  ['//app:app', '//app:app'],
  ['3f2a19c0', '3f2a19c0'],
  ['not\u0000a path', 'not\u0000a path'],
])('%j is %j to the servers', async (what, path) => {
  expect(await pathInTree(what, join(folder, 'ws'))).toBe(path)
})
