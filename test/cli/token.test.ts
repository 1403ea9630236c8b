import { expect, test } from 'vitest'
import { createToken, readTokens, revokeToken } from '../../src/access/tokens-file.ts'
import { assertExpiryKept } from '../../src/cli/invite.ts'
import { changeTokensAt } from '../../src/cli/token.ts'
import { systemClock } from '../../src/core/clock.ts'
import { Failure } from '../../src/core/failure.ts'
import { testFolder } from '../fixture/folder.ts'

/** Tokens whose servers are away until `back` is called; `held` are the names that these know. */
async function awayServers() {
  const file = `${await testFolder()}/tokens.json`
  const name = async () => (await readTokens(file))?.map((each) => each.name)
  let away = true
  let held: string[] | undefined
  const changed = async () => {
    if (away) throw new Failure('unavailable', 'nobody answers')
    held = await name()
  }
  return {
    place: { file, changed },
    back: () => {
      away = false
    },
    held: () => held,
  }
}

const wish = { name: 'alice', role: 'reader', expiresMs: null } as const

test('a token is shown before its servers are told, and the same command again tells them', async () => {
  const { place, back, held } = await awayServers()
  const create = (file: string) => createToken(file, wish, systemClock)
  const shown: string[] = []
  const made = ({ token }: { token: string }) => void shown.push(token)
  await expect(changeTokensAt(place, create, made)).rejects.toMatchObject({ kind: 'unavailable' })
  expect(shown).toEqual([expect.stringMatching(/^native_/)])
  // What is the matter comes first: the servers still do not know.
  await expect(changeTokensAt(place, create, made)).rejects.toMatchObject({ kind: 'unavailable' })
  back()
  await expect(changeTokensAt(place, create, made)).rejects.toMatchObject({ kind: 'exists' })
  expect([held(), shown.length]).toEqual([['alice'], 1])
})

test('a token that was revoked while its servers were away is revoked by the same command again', async () => {
  const { place, back, held } = await awayServers()
  await createToken(place.file, wish, systemClock)
  const revoke = (file: string) => revokeToken(file, 'alice', systemClock)
  await expect(changeTokensAt(place, revoke)).rejects.toMatchObject({ kind: 'unavailable' })
  back()
  await expect(changeTokensAt(place, revoke)).rejects.toMatchObject({ kind: 'not-found' })
  expect(held()).toEqual([])
})

test('how long an invitation can be used is refused where a token would be given in its place', () => {
  expect(() => assertExpiryKept({ exchanges: false }, '2h')).toThrow(
    expect.objectContaining({ where: '--expires', next: [expect.stringContaining('--token-expires 2h')] }),
  )
  assertExpiryKept({ exchanges: false }, undefined)
  assertExpiryKept({ exchanges: true }, '2h')
})
