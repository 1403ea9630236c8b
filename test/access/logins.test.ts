import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { keepLogin, removeLogin, removeLoginsOf, tokenFileFor } from '../../src/access/logins.ts'
import { systemClock } from '../../src/core/clock.ts'
import { testFolder } from '../fixture/folder.ts'

test('a file with the token alone, for its user alone, goes with the login or when that gets another token', async () => {
  const home = await testFolder()
  const user = { env: { XDG_CONFIG_HOME: home }, home, tmp: home, uid: process.getuid?.() ?? -1 }
  const keep = (token: string) => keepLogin(user, ['grpcs://h:1', 'grpcs://h:2'], token, systemClock, 'cluster')
  expect(await tokenFileFor(user, 'grpcs://h:1')).toBeUndefined()
  await keep('first')
  const [one = '', two = ''] = [await tokenFileFor(user, 'grpcs://h:1'), await tokenFileFor(user, 'grpcs://h:2')]
  expect([await readFile(one, 'utf8'), (await stat(one)).mode & 0o777]).toEqual(['first', 0o600])
  await keep('first')
  expect(await readFile(one, 'utf8')).toBe('first')
  await removeLogin(user, 'h:2', systemClock)
  await expect(stat(two)).rejects.toThrow('ENOENT')
  await keep('second')
  await expect(stat(one)).rejects.toThrow('ENOENT')
  expect(await readFile((await tokenFileFor(user, 'h:1')) ?? '', 'utf8')).toBe('second')
  await removeLoginsOf(user, 'cluster', systemClock)
  await expect(stat(join(home, 'native/tokens'))).rejects.toThrow('ENOENT')
})
