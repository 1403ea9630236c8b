import { expect, test } from 'vitest'
import ServeCas from '../../commands/serve/cas.ts'
import ServeConsole from '../../commands/serve/console.ts'
import ServeScheduler from '../../commands/serve/scheduler.ts'
import ServeWorker from '../../commands/serve/worker.ts'
import { directServe } from '../../src/cli/direct.ts'

test('a server that is started plainly, or by a supervisor, needs no framework', () => {
  const config = { configFile: 'a.yaml', parentFd: undefined }
  for (const role of ['cas', 'scheduler', 'worker', 'console'] as const) {
    expect(directServe(['serve', role, '--config', 'a.yaml'], {})).toEqual({ role, ...config })
    expect(directServe(['serve', role, '--config', 'a.yaml', '--parent-fd', '3'], { PATH: '/bin' })).toEqual({
      role,
      ...config,
      parentFd: 3,
    })
  }
})

test('so does a supervisor as `native up` starts it', () => {
  expect(directServe(['serve', 'supervisor', '--state', 'a.json'], {})).toEqual({
    role: 'supervisor',
    settingsFile: 'a.json',
  })
})

test.each([
  ['another command', ['up']],
  ['no role', ['serve']],
  ['a supervisor with a configuration', ['serve', 'supervisor', '--config', 'a.yaml']],
  ['a supervisor without settings', ['serve', 'supervisor', '--state']],
  ['a supervisor with more', ['serve', 'supervisor', '--state', 'a.json', '--parent-fd', '3']],
  ['a server with settings', ['serve', 'cas', '--state', 'a.json']],
  ['no configuration', ['serve', 'cas', '--config']],
  ['an empty one', ['serve', 'cas', '--config', '']],
  ['a flag in its place', ['serve', 'cas', '--config', '--help']],
  ['help', ['serve', 'cas', '--config', 'a.yaml', '--help']],
  ['one word more', ['serve', 'cas', '--config', 'a.yaml', 'more']],
  ['another spelling', ['serve', 'cas', '--config=a.yaml']],
  ['another order', ['serve', 'cas', '--parent-fd', '3', '--config', 'a.yaml']],
  ['no number', ['serve', 'cas', '--config', 'a.yaml', '--parent-fd', 'x']],
])('%s goes the usual way', (_, argv) => {
  expect(directServe(argv, {})).toBeUndefined()
})

test('a variable that stands for a flag goes the usual way', () => {
  expect(directServe(['serve', 'worker', '--config', 'a.yaml'], { NATIVE_WORKER_NAME: 'w' })).toBeUndefined()
})

test('all other flags of the servers do nothing unless they are given', () => {
  for (const { flags } of [ServeCas, ServeScheduler, ServeWorker, ServeConsole])
    for (const [name, flag] of Object.entries(flags)) {
      if (name === 'config') continue
      expect(flag.default).toBeUndefined()
      expect(flag.required ?? false).toBe(false)
      if (name !== 'parent-fd' && flag.env !== undefined) expect(flag.env).toMatch(/^NATIVE_/)
    }
})
