import { chmod, readFile, stat, writeFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { createToken, readTokens, revokeToken, rotateToken } from '../../src/access/tokens-file.ts'
import { systemClock } from '../../src/core/clock.ts'
import { testFolder } from '../fixture/folder.ts'

const wish = (name: string) => ({ name, role: 'writer' as const, expiresMs: null })

describe('a tokens file', () => {
  test('has hashes alone, for its owner alone', async () => {
    const file = `${await testFolder()}/a/tokens.json`
    const { token, entry } = await createToken(file, wish('alice'), systemClock)
    const text = await readFile(file, 'utf8')
    expect(text).not.toContain(token.slice(-43))
    expect(text).toContain(entry.hash)
    expect((await stat(file)).mode & 0o777).toBe(0o600)
  })

  test('loses nothing of many who write at once', async () => {
    const file = `${await testFolder()}/tokens.json`
    const names = Array.from({ length: 12 }, (_, at) => `token-${at}`)
    await Promise.all(names.map((name) => createToken(file, wish(name), systemClock)))
    expect((await readTokens(file))?.map(({ name }) => name).toSorted()).toEqual(names.toSorted())
  })

  test('keeps names apart, and says which are not there', async () => {
    const file = `${await testFolder()}/tokens.json`
    const first = await createToken(file, { ...wish('alice'), instances: ['ci'], expiresMs: 1e12 }, systemClock)
    await expect(createToken(file, wish('alice'), systemClock)).rejects.toMatchObject({ kind: 'exists' })
    const second = await rotateToken(file, 'alice', undefined, systemClock)
    expect(second.token).not.toBe(first.token)
    expect(second.entry).toMatchObject({ role: 'writer', instances: ['ci'], expires: first.entry.expires })
    expect((await rotateToken(file, 'alice', null, systemClock)).entry.expires).toBeNull()
    await revokeToken(file, 'alice', systemClock)
    await expect(revokeToken(file, 'alice', systemClock)).rejects.toMatchObject({ kind: 'not-found' })
    await expect(rotateToken(file, 'bob', undefined, systemClock)).rejects.toMatchObject({ kind: 'not-found' })
    expect(await readTokens(file)).toEqual([])
  })

  test.each([
    ['torn', '{"version":1,"tokens":[{"id"', 'corrupt', 'it is not JSON'],
    ['empty', '', 'corrupt', 'it is not JSON'],
    ['of another shape', '{"version":1,"tokens":[{"id":"x"}]}', 'corrupt', 'tokens.0.id'],
    ['no tokens file', '[]', 'corrupt', 'the whole'],
    ['of a later release', '{"version":2,"tokens":[],"more":1}', 'precondition', 'later release'],
  ])('that is %s gets one clear error, and is left as it is', async (_what, text, kind, words) => {
    const file = `${await testFolder()}/tokens.json`
    await writeFile(file, text, { mode: 0o600 })
    await expect(readTokens(file)).rejects.toMatchObject({ kind, where: file, message: expect.stringContaining(words) })
    await expect(createToken(file, wish('alice'), systemClock)).rejects.toMatchObject({ kind })
    expect(await readFile(file, 'utf8')).toBe(text)
  })

  test('that everybody can read is refused', async () => {
    const file = `${await testFolder()}/tokens.json`
    await createToken(file, wish('alice'), systemClock)
    await chmod(file, 0o644)
    await expect(readTokens(file)).rejects.toMatchObject({
      kind: 'denied',
      next: [expect.stringContaining('chmod 600')],
    })
  })
})
