import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createNative, type Native, root } from '../fixture/program.ts'

// `npx native` is what README.md tells users to type. It must be this checkout's program, and
// never a package of that name out of a registry: here no registry can be reached.

let native: Native
beforeAll(async () => {
  native = await createNative([])
})
afterAll(() => native.dispose())

const npx = (cwd: string, ...args: string[]) =>
  execa('npx', args, {
    cwd,
    env: {
      ...native.env,
      npm_config_registry: 'http://127.0.0.1:1/',
      npm_config_cache: join(native.home, 'npm'),
      npm_config_userconfig: join(native.home, 'npmrc'),
      npm_config_fetch_retries: '0',
    },
    extendEnv: false,
    reject: false,
    stdin: 'ignore',
  })

test.each(['.', 'src/cluster/process', 'test/real/workspace'])(
  'runs the program of the checkout it stands in: %s',
  async (folder) => {
    const { exitCode, stdout, stderr } = await npx(join(root, folder), 'native', 'status', '--json')
    expect(stderr).toBe('')
    expect(exitCode).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ name: 'native', state: 'absent' })
  },
)

test('passes flags, exit codes and what stands behind -- on', async () => {
  const { exitCode, stderr } = await npx(root, 'native', 'exec', '--name', 'nobody', '--', '/bin/echo', '--json')
  expect(exitCode).toBe(3)
  expect(stderr).toMatch(/^error: there is no cluster "nobody"$/m)
})

test('outside of the checkout npx would ask a registry, as README.md warns', async () => {
  const { exitCode, stderr } = await npx(native.home, '--yes', 'native', '--version')
  expect(exitCode).not.toBe(0)
  expect(stderr).toContain('127.0.0.1:1')
})
