import { readdir, stat, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { expect, test } from 'vitest'
import {
  createTicket,
  readTickets,
  redeemTicket,
  retireToken,
  revokeTicket,
  ticketsBeside,
} from '../../src/access/tickets-file.ts'
import { newToken } from '../../src/access/token.ts'
import { createToken, readTokens, revokeToken } from '../../src/access/tokens-file.ts'
import { systemClock } from '../../src/core/clock.ts'
import { takeLock } from '../../src/host/process-lock.ts'
import { Code } from '../../src/wire/rpc.ts'
import { manualClock } from '../fixture/manual-clock.ts'
import { codeOf, endOf, guardedServer, testDoor, testTokens } from './fixture.ts'

const hour = 3_600_000
const wish = (name: string) => ({ name, expiresMs: Date.now() + hour, tokenExpiresMs: Date.now() + 24 * hour })
const names = async (file: string) => (await readTokens(file))?.map(({ name, role }) => `${name}: ${role}`)

test('an invitation is exchanged for one token, which is made by whoever was invited', async () => {
  const { file } = await testTokens()
  const { text, hash } = await createTicket(file, wish('laptop'), systemClock)
  expect((await stat(ticketsBeside(file))).mode & 0o777).toBe(0o600)
  expect([...(await readTickets(ticketsBeside(file))).values()]).toMatchObject([
    { name: 'laptop', hash, redeemed: null },
  ])
  const [own, other] = [newToken(null), newToken(null)]
  await redeemTicket(file, text, own, systemClock)
  expect(await names(file)).toEqual(['laptop: worker'])
  // An answer may have been lost on its way.
  await redeemTicket(file, text, own, systemClock)
  await expect(redeemTicket(file, text, other, systemClock)).rejects.toMatchObject({ kind: 'denied' })
  expect(await names(file)).toEqual(['laptop: worker'])
})

test('of two machines that come with it at once, one is taken', async () => {
  const { file } = await testTokens()
  const { text } = await createTicket(file, wish('laptop'), systemClock)
  const tries = Array.from({ length: 8 }, () => redeemTicket(file, text, newToken(null), systemClock))
  const ends = await Promise.allSettled(tries)
  expect(ends.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  expect(await names(file)).toEqual(['laptop: worker'])
})

test('it is of no use when it has expired, or was revoked, or its token was', async () => {
  const { file } = await testTokens()
  const clock = manualClock(Date.now())
  const late = await createTicket(file, wish('late'), clock)
  const gone = await createTicket(file, wish('gone'), clock)
  const used = await createTicket(file, wish('used'), clock)
  const own = newToken(null)
  await redeemTicket(file, used.text, own, clock)
  await revokeToken(file, 'used', clock)
  expect(await revokeTicket(file, 'gone', clock)).toBe(true)
  expect(await revokeTicket(file, 'used', clock)).toBe(false)
  clock.advance(2 * hour)
  for (const each of [late, gone, used])
    await expect(redeemTicket(file, each.text, own, clock)).rejects.toMatchObject({ kind: 'denied' })
  expect(await names(file)).toEqual([])
})

test('a name is given once, to a token or to an invitation', async () => {
  const { file } = await testTokens({ name: 'alice' })
  await createTicket(file, wish('laptop'), systemClock)
  for (const name of ['alice', 'laptop'])
    await expect(createTicket(file, wish(name), systemClock)).rejects.toMatchObject({ kind: 'exists' })
  // A token may be made under its name all the same, by whoever does not ask; then it buys nothing.
  const { text } = await createTicket(file, wish('desk'), systemClock)
  await createToken(file, { name: 'desk', role: 'reader', expiresMs: null }, systemClock)
  await expect(redeemTicket(file, text, newToken(null), systemClock)).rejects.toMatchObject({ kind: 'exists' })
  expect(await names(file)).toEqual(['alice: reader', 'desk: reader'])
})

test('where nobody was invited, a token that is given back stays, and nothing is written', async () => {
  const { file, tokens } = await testTokens({ name: 'pool', role: 'worker' })
  expect(await retireToken(file, tokens[0] ?? '', systemClock)).toBe(false)
  expect(await readdir(dirname(file))).toEqual(['tokens.json'])
})

test('a token is given back if it was had by an invitation, and no other is', async () => {
  const { file, tokens } = await testTokens({ name: 'pool', role: 'worker' })
  const { text } = await createTicket(file, wish('laptop'), systemClock)
  const own = newToken(null)
  await redeemTicket(file, text, own, systemClock)
  expect(await retireToken(file, tokens[0] ?? '', systemClock)).toBe(false)
  expect(await retireToken(file, newToken(null).text, systemClock)).toBe(false)
  expect(await retireToken(file, own.text, systemClock)).toBe(true)
  expect(await names(file)).toEqual(['pool: worker'])
})

test('an invitation whose token was given back can be used again until it expires, unless it is revoked', async () => {
  const { file } = await testTokens()
  const clock = manualClock(Date.now())
  const [soon, gone] = [await createTicket(file, wish('soon'), clock), await createTicket(file, wish('gone'), clock)]
  const [first, second, third] = [newToken(null), newToken(null), newToken(null)]
  await redeemTicket(file, soon.text, first, clock)
  await redeemTicket(file, gone.text, third, clock)
  for (const { text } of [first, third]) expect(await retireToken(file, text, clock)).toBe(true)
  expect(await revokeTicket(file, 'gone', clock)).toBe(true)
  await redeemTicket(file, soon.text, second, clock)
  expect(await names(file)).toEqual(['soon: worker'])
  await expect(redeemTicket(file, gone.text, first, clock)).rejects.toMatchObject({ kind: 'denied' })
  clock.advance(2 * hour)
  expect(await retireToken(file, second.text, clock)).toBe(true)
  await expect(redeemTicket(file, soon.text, first, clock)).rejects.toMatchObject({ kind: 'denied' })
  expect(await readTickets(ticketsBeside(file))).toEqual(new Map())
})

test('a token that others use too is not taken for the one of an invitation, and so cannot be given back', async () => {
  const { file } = await testTokens()
  const { text } = await createTicket(file, wish('laptop'), systemClock)
  for (const name of ['pool', 'laptop']) {
    const { entry } = await createToken(file, { name, role: 'worker', expiresMs: null }, systemClock)
    await expect(redeemTicket(file, text, entry, systemClock)).rejects.toMatchObject({ kind: 'exists' })
  }
  expect([...(await readTickets(ticketsBeside(file))).values()]).toMatchObject([{ redeemed: null }])
})

test('who asks in vain takes no lock and writes nothing, nor does whoever asks for what is so already', async () => {
  const { file, tokens } = await testTokens({ name: 'pool', role: 'worker' })
  const { text } = await createTicket(file, wish('laptop'), systemClock)
  const own = newToken(null)
  await redeemTicket(file, text, own, systemClock)
  const written = async () => (await stat(ticketsBeside(file), { bigint: true })).ino
  const before = await written()
  await redeemTicket(file, text, own, systemClock)
  expect(await revokeTicket(file, 'nobody', systemClock)).toBe(false)
  // Whoever took it too would wait for this one.
  const lock = await takeLock(`${ticketsBeside(file)}.lock`, { clock: systemClock })
  expect(await retireToken(file, tokens[0] ?? '', systemClock)).toBe(false)
  await lock.release()
  expect(await written()).toBe(before)
})

test('a file that is damaged is told, and nothing is made of it', async () => {
  const { file } = await testTokens()
  await writeFile(ticketsBeside(file), '{"version":1,"tick', { mode: 0o600 })
  await expect(createTicket(file, wish('laptop'), systemClock)).rejects.toMatchObject({
    kind: 'corrupt',
    where: ticketsBeside(file),
  })
})

test('who has one may introduce a machine and exchange it, at once and until it expires, and nothing else', async () => {
  const { file } = await testTokens()
  const { door } = await testDoor({ anonymous: 'none', tokens: file })
  const done = { kind: 'unary', handle: () => new Uint8Array() } as const
  const server = await guardedServer(
    [
      { name: 'native.worker.v1.Workers', methods: { Introduce: done, Redeem: done, Work: done } },
      { name: 'build.bazel.remote.execution.v2.Capabilities', methods: { GetCapabilities: done } },
    ],
    door,
  )
  const { text } = await createTicket(file, wish('laptop'), systemClock)
  const invited = server.as(`Bearer ${text}`)
  const call = (method: string, as = invited) => codeOf(as.unary(method, new Uint8Array()))
  expect(await call('native.worker.v1.Workers/Introduce')).toBe(Code.OK)
  expect(await call('native.worker.v1.Workers/Redeem')).toBe(Code.OK)
  const denied = await endOf(invited.unary('native.worker.v1.Workers/Work', new Uint8Array()))
  expect(denied).toMatchObject({ code: Code.PERMISSION_DENIED, message: expect.stringContaining('native join') })
  expect(await call('build.bazel.remote.execution.v2.Capabilities/GetCapabilities')).toBe(Code.PERMISSION_DENIED)
  const worker = await createToken(file, { name: 'w', role: 'worker', expiresMs: null }, systemClock)
  const redeeming = server.as(`Bearer ${worker.token}`).unary('native.worker.v1.Workers/Redeem', new Uint8Array())
  expect(await endOf(redeeming)).toMatchObject({
    code: Code.PERMISSION_DENIED,
    message: expect.stringContaining('native invite'),
  })
  const soon = await createTicket(file, { ...wish('soon'), expiresMs: Date.now() - 1 }, systemClock)
  const late = server.as(`Bearer ${soon.text}`)
  expect(await call('native.worker.v1.Workers/Introduce', late)).toBe(Code.UNAUTHENTICATED)
})
