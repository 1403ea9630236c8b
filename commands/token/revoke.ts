import { Args } from '@oclif/core'
import { changeTokensAt, tokenFlags, tokenJson } from '../../src/cli/token.ts'
import { TokenCommand } from '../../src/cli/token-command.ts'
import { systemClock } from '../../src/core/clock.ts'
import { Failure } from '../../src/core/failure.ts'

export default class TokenRevoke extends TokenCommand {
  static override summary = 'revoke a token, or an invitation that has not been used yet'
  static override description =
    'It stops working, and calls in progress with it end, within five seconds. No server is restarted.'
  static override examples = ['<%= config.bin %> token revoke alice']
  static override args = { name: Args.string({ description: 'the name of the token', required: true }) }
  static override flags = { ...tokenFlags }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(TokenRevoke)
    const { revokeToken } = await import('../../src/access/tokens-file.ts')
    const { revokeTicket } = await import('../../src/access/tickets-file.ts')
    const entry = await changeTokensAt(await this.tokensPlace(flags), async (file) => {
      const invited = await revokeTicket(file, args.name, systemClock)
      return revokeToken(file, args.name, systemClock).catch((error: unknown) => {
        if (invited && error instanceof Failure && error.kind === 'not-found') return null
        throw error
      })
    })
    if (flags.json) this.printJson(entry ? tokenJson(entry) : { name: args.name, invitation: true })
    else this.print(`Revoked the ${entry ? 'token' : 'invitation'} "${args.name}".`)
  }
}
