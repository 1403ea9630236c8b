import type { Clock } from '../core/clock.ts'
import { Failure } from '../core/failure.ts'
import { readCredentials } from './credentials.ts'
import { type OwnToken, redeemTicket, retireToken } from './tickets-file.ts'
import { hashPattern, idPattern } from './token.ts'

/** The scheduler's side of invitations for machines (the contract is in scheduler/invitations.ts). */
export function createInvitations(tokens: string, clock: Clock) {
  return {
    async redeem(authorization: string, own: OwnToken) {
      if (!idPattern.test(own.id) || !hashPattern.test(own.hash))
        throw new Failure('invalid', 'a token is named by 12, and its hash by 64 hexadecimal digits')
      const { name, tokenExpires } = await redeemTicket(tokens, bearerIn(authorization), own, clock)
      return { name, expiresMs: tokenExpires === null ? null : Date.parse(tokenExpires) }
    },
    retire: (authorization: string) => retireToken(tokens, bearerIn(authorization), clock),
  }
}

function bearerIn(authorization: string): string {
  const credentials = readCredentials(authorization)
  return credentials.kind === 'bearer' ? credentials.token : ''
}
