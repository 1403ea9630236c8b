import type { Made } from '../access/tokens-file.ts'
import type { TokensPlace } from '../cluster/driver.ts'
import { NativeCommand } from './base.ts'
import { changeTokensAt, type TokenFlags, tokenJson } from './token.ts'

/** Common to the token commands. */
export abstract class TokenCommand extends NativeCommand {
  /** The tokens file that the flags mean; with `--file`, the servers notice changes by themselves. */
  protected async tokensPlace({ cluster, driver, file }: TokenFlags): Promise<TokensPlace> {
    if (file !== undefined) return { file, changed: async () => undefined }
    return (await this.openDriver({ name: cluster, driver })).tokens()
  }

  /** Creates a token where the flags say, and shows it. */
  protected async makeToken(
    flags: TokenFlags & { readonly json: boolean },
    make: (file: string) => Promise<Made>,
  ): Promise<void> {
    await this.makeAndShow(await this.tokensPlace(flags), make, flags.json, {
      json: ({ entry, token }) => ({ ...tokenJson(entry), token }),
      text: ({ token }) => {
        this.note('native: keep this token, it is not shown again')
        this.print(token)
      },
    })
  }

  /**
   * Creates what cannot be shown again, and shows it even if its servers cannot be notified. Standard output has one
   * JSON value, which is then the error: what was created goes to standard error.
   */
  protected async makeAndShow<T>(
    place: TokensPlace,
    make: (file: string) => Promise<T>,
    json: boolean,
    shown: { json(made: T): object; text(made: T): void },
  ): Promise<void> {
    const untold: object[] = []
    try {
      await changeTokensAt(place, make, json ? (made) => void untold.push(shown.json(made)) : shown.text)
    } catch (error) {
      for (const each of untold) process.stderr.write(`${JSON.stringify(each)}\n`)
      throw error
    }
    for (const each of untold) this.printJson(each)
  }
}
