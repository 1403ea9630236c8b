import { Args, Flags } from '@oclif/core'
import { expiryOfFlag, tokenFlags } from '../../src/cli/token.ts'
import { TokenCommand } from '../../src/cli/token-command.ts'
import { systemClock } from '../../src/core/clock.ts'

export default class TokenRotate extends TokenCommand {
  static override summary = 'replace a token with a new one that has the same name and rights, and print it once'
  static override description = 'The old token stops working, and calls in progress with it end, within five seconds.'
  static override examples = [
    '<%= config.bin %> token rotate alice',
    '<%= config.bin %> token rotate alice --expires 30d',
  ]
  static override args = { name: Args.string({ description: 'the name of the token', required: true }) }
  static override flags = {
    ...tokenFlags,
    expires: Flags.string({
      summary:
        'how long the new token is valid, such as 30d; or never. By default it expires when the old one would have',
    }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(TokenRotate)
    const { rotateToken } = await import('../../src/access/tokens-file.ts')
    const expiresMs = flags.expires === undefined ? undefined : expiryOfFlag(flags.expires)
    await this.makeToken(flags, (file) => rotateToken(file, args.name, expiresMs, systemClock))
  }
}
