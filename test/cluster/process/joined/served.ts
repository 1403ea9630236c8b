import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { createInvitations } from '../../../../src/access/invitations.ts'
import { createTicket } from '../../../../src/access/tickets-file.ts'
import { readTokens } from '../../../../src/access/tokens-file.ts'
import { systemClock } from '../../../../src/core/clock.ts'
import type { Invitations } from '../../../../src/scheduler/invitations.ts'
import { Code, RpcError } from '../../../../src/wire/rpc.ts'
import { listen } from '../../../../src/wire/server.ts'
import { ensureOwnCertificates, ownCertificates } from '../../../../src/wire/tls/own-certificates.ts'
import { openServerTls } from '../../../../src/wire/tls/server-tls.ts'
import { testFolder } from '../../../fixture/folder.ts'
import { quietLog } from '../../../fixture/quiet-log.ts'
import { createWorld } from '../../../scheduler/world.ts'

/** A scheduler with TLS that tells where its cache is, and may exchange invitations; what a machine needs to call it. */
export async function served(casUrl: string, known?: string, invitations?: Invitations) {
  const folder = known ?? join(await testFolder(), 'tls')
  await ensureOwnCertificates(folder, ['127.0.0.1'])
  const { ca, server: files } = ownCertificates(folder)
  const tls = await openServerTls(files, quietLog)
  const { services } = createWorld({ casUrl, invitations }).scheduler
  const server = await listen(services, { address: '127.0.0.1:0', log: quietLog, tls })
  onTestFinished(async () => {
    await server.close()
    tls.close()
  })
  return { folder, url: `grpcs://${server.address}`, token: 'a-token', tls: { ca }, version: '1.0.0' }
}

/** An invitation to such a scheduler. The answers to the first exchanges of it are lost on their way. */
export async function inviting({ lost = 0 } = {}) {
  const tokens = join(await testFolder(), 'tokens.json')
  const { text } = await createTicket(
    tokens,
    { name: 'laptop', expiresMs: Date.now() + 3_600_000, tokenExpiresMs: null },
    systemClock,
  )
  const { redeem, retire } = createInvitations(tokens, systemClock)
  let left = lost
  const scheduler = await served('', undefined, {
    retire,
    async redeem(authorization, own) {
      const answer = await redeem(authorization, own)
      if (left-- > 0) throw new RpcError(Code.UNAVAILABLE, 'the connection broke')
      return answer
    },
  })
  return {
    ...scheduler,
    token: text,
    /** Names and ids of the tokens that the scheduler takes. */
    taken: async () => (await readTokens(tokens))?.map(({ name, id }) => [name, id]) ?? [],
  }
}
