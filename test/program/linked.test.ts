import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createNative, linkedPath, type Native, root } from '../fixture/program.ts'

// The link into a folder of PATH, with which README.md installs a clone.

let native: Native
let path: string
beforeAll(async () => {
  native = await createNative([])
  path = await linkedPath(native.home)
})
afterAll(() => native.dispose())

const call = (cwd: string, program: string, ...args: string[]) =>
  execa(program, args, {
    cwd,
    env: {
      ...native.env,
      PATH: path,
      npm_config_registry: 'http://127.0.0.1:1/',
      npm_config_cache: join(native.home, 'npm'),
      npm_config_userconfig: join(native.home, 'npmrc'),
      npm_config_fetch_retries: '0',
    },
    extendEnv: false,
    reject: false,
    stdin: 'ignore',
  })

test.each(['/', root, join(root, 'src/cluster/process')])('runs from any folder: %s', async (folder) => {
  const { exitCode, stdout, stderr } = await call(folder, 'native', 'status', '--json')
  expect(stderr).toBe('')
  expect(exitCode).toBe(0)
  expect(JSON.parse(stdout)).toMatchObject({ name: 'native', state: 'absent' })
})

test('passes flags, exit codes and what stands behind -- on', async () => {
  const { exitCode, stderr } = await call('/', 'native', 'exec', '--name', 'nobody', '--', '/bin/echo', '--json')
  expect(exitCode).toBe(3)
  expect(stderr).toMatch(/^error: there is no cluster "nobody"$/m)
})

test('outside of a clone npx would ask the registry, as README.md warns', async () => {
  const { exitCode, stderr } = await call('/', 'npx', '--yes', 'native', '--version')
  expect(exitCode).not.toBe(0)
  expect(stderr).toContain('127.0.0.1:1')
})
