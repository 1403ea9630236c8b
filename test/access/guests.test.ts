import { expect, test } from 'vitest'
import { createGuests } from '../../src/access/guests.ts'
import { judge, type Known } from '../../src/access/judge.ts'
import { createGuest, type Grant } from '../../src/access/visitor.ts'
import { createSecret } from '../../src/core/secret.ts'
import { identifiedChannel, vouchFor } from '../../src/wire/identity.ts'
import type { CallOptions, Channel } from '../../src/wire/rpc.ts'
import { manualClock } from '../fixture/manual-clock.ts'
import { quietLog } from '../fixture/quiet-log.ts'

const secret = createSecret(Buffer.from('what the servers of this test know'))

/** Does an open call of somebody with this grant end when the credentials have expired? */
function ends(grant: Grant): boolean {
  const guests = createGuests()
  const guest = createGuest(grant)
  guests.keep(guest)
  let ended = false
  guest.calls.add({
    revoked() {
      ended = true
    },
  })
  guests.review((grant.untilMs ?? 0) - 1)
  expect([guest.current, ended]).toEqual([true, false])
  guests.review(grant.untilMs ?? 0)
  expect(guest.current).toBe(false)
  return ended
}

async function grantOf(authorization: string, nowMs: number): Promise<Grant> {
  const known: Known = {
    clock: manualClock(nowMs),
    log: quietLog,
    secret,
    tokens: () => new Map(),
    tickets: () => new Map(),
    passwords: () => new Map(),
    passwordRole: 'writer',
    passwordInstances: undefined,
    jwts: undefined,
  }
  const grant = await judge(authorization, known)
  if ('wrong' in grant) throw new Error(grant.wrong)
  return grant
}

test('the open calls of a worker end with its credentials, whatever these are, and nobody else’s', () => {
  expect(ends({ name: 'the certificate of DNS:laptop', standing: 'worker', untilMs: 1_000 })).toBe(true)
  expect(ends({ name: 'token of "laptop"', standing: 'worker', untilMs: 1_000 })).toBe(true)
  expect(ends({ name: 'token "alice"', standing: 'runner', untilMs: 1_000 })).toBe(false)
})

test('those of a worker of the cluster, and of one that a server speaks for, go on when a proof is made anew', async () => {
  const now = 1_800_000_000_000
  const client = { name: 'laptop', role: 'worker', instances: undefined }
  const sent: string[] = []
  const unary = async (_: string, __: Uint8Array, options?: CallOptions) => {
    sent.push(String(options?.metadata?.['authorization']))
    return Buffer.alloc(0)
  }
  await identifiedChannel({ unary } as unknown as Channel, secret, 'worker', () => now).unary('a/B', Buffer.alloc(0))
  for (const authorization of [...sent, vouchFor(client, secret, () => now)()]) {
    const grant = await grantOf(authorization, now)
    expect(grant).toMatchObject({ standing: 'worker', untilMs: now + 60_000 })
    expect(ends(grant)).toBe(false)
  }
})
