import { columnsFor } from '../../src/cli/terminal.ts'
import { tokenFlags, tokenJson, tokenTable } from '../../src/cli/token.ts'
import { TokenCommand } from '../../src/cli/token-command.ts'
import { systemClock } from '../../src/core/clock.ts'
import { Failure } from '../../src/core/failure.ts'

export default class TokenList extends TokenCommand {
  static override summary = 'list the tokens of a cluster, without their secrets'
  static override examples = ['<%= config.bin %> token list']
  static override flags = { ...tokenFlags }

  async run(): Promise<void> {
    const { flags } = await this.parse(TokenList)
    const { readTokens } = await import('../../src/access/tokens-file.ts')
    const { file } = await this.tokensPlace(flags)
    const entries = await readTokens(file)
    if (!entries) throw new Failure('not-found', 'there is no tokens file', { where: file })
    if (flags.json) this.printJson({ tokens: entries.map(tokenJson) })
    else this.print(tokenTable(entries, systemClock.now(), columnsFor(process.stdout)))
  }
}
