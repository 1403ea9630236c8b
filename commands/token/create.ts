import { Flags } from '@oclif/core'
import { roles } from '../../src/access/rights.ts'
import { assertTokenName, expiryOfFlag, tokenFlags } from '../../src/cli/token.ts'
import { TokenCommand } from '../../src/cli/token-command.ts'
import { systemClock } from '../../src/core/clock.ts'
import { Failure } from '../../src/core/failure.ts'

export default class TokenCreate extends TokenCommand {
  static override summary = 'create a token and print it once'
  static override description =
    'The cluster stores only a hash, so a lost token has to be replaced with `token rotate`. Running servers accept a new token immediately. docs/security.md lists what each role may do.'
  static override examples = [
    '<%= config.bin %> token create --name alice --role writer --expires 30d',
    '<%= config.bin %> token create --name ci --role runner --instance ci --json',
  ]
  static override flags = {
    ...tokenFlags,
    name: Flags.string({ summary: 'who or what the token is for', required: true }),
    role: Flags.option({ summary: 'what it may do', options: roles, required: true })(),
    expires: Flags.string({
      summary: 'how long the token is valid, such as 12h or 30d; or never',
      default: '90d',
    }),
    instance: Flags.string({
      summary: 'limit the token to this instance name; may be repeated',
      multiple: true,
      multipleNonGreedy: true,
    }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(TokenCreate)
    const { createToken } = await import('../../src/access/tokens-file.ts')
    if (flags.role === 'worker' && flags.instance !== undefined)
      throw new Failure(
        'invalid',
        'a token for a worker cannot be limited to instances: a worker runs the actions of all',
        {
          where: '--instance',
          next: ['Leave --instance out, or choose another role.'],
        },
      )
    const wish = {
      name: assertTokenName(flags.name),
      role: flags.role,
      instances: flags.instance ?? [],
      expiresMs: expiryOfFlag(flags.expires),
    }
    await this.makeToken(flags, (file) => createToken(file, wish, systemClock))
  }
}
