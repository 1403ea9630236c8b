import { expect, test } from 'vitest'
import { cacheRootOf, runtimeFolder, xdgFolder } from '../../src/host/user-folders.ts'
import { loginFiles } from '../../src/image/auth.ts'

const user = (env: Record<string, string> = {}) => ({ env, home: '/home/me', tmp: '/tmp', uid: 1 })

test.each([
  ['unset', {}, '/home/me/.config'],
  ['empty', { XDG_CONFIG_HOME: '' }, '/home/me/.config'],
  ['relative', { XDG_CONFIG_HOME: 'here' }, '/home/me/.config'],
  ['absolute', { XDG_CONFIG_HOME: '/there' }, '/there'],
])('a variable that is %s', (_, env, folder) => {
  expect(xdgFolder(user(env), 'XDG_CONFIG_HOME')).toBe(folder)
  expect(loginFiles({ ...user(env), runHelper: async () => ({ exitCode: 0, stdout: '', missing: false }) })).toContain(
    `${folder}/containers/auth.json`,
  )
})

test('the runtime folder has no place of its own', () => {
  expect(runtimeFolder(user())).toBeUndefined()
  expect(runtimeFolder(user({ XDG_RUNTIME_DIR: 'here' }))).toBeUndefined()
  expect(runtimeFolder(user({ XDG_RUNTIME_DIR: '/run/user/1' }))).toBe('/run/user/1')
})

test('what can be fetched again is where oclif has it', () => {
  expect(cacheRootOf(user(), 'linux')).toBe('/home/me/.cache/native')
  expect(cacheRootOf(user(), 'darwin')).toBe('/home/me/Library/Caches/native')
  expect(cacheRootOf(user({ XDG_CACHE_HOME: '/c' }), 'darwin')).toBe('/c/native')
})
