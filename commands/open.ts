import { Args, Flags } from '@oclif/core'
import { clusterFlags, NativeCommand } from '../src/cli/base.ts'
import { browserCommand, showInBrowser } from '../src/cli/browser.ts'
import { withHistory } from '../src/cli/console.ts'
import { messageOf } from '../src/core/failure.ts'
import { findBuild } from '../src/explain/find.ts'

export default class Open extends NativeCommand {
  static override summary = 'open the page of recent builds, or of one build, in the browser'
  static override description =
    'The page shows what `native builds` and `native explain` print, and the actions of a build with their commands and times. The address is printed as well; it works only on this machine.'
  static override examples = ['<%= config.bin %> open', '<%= config.bin %> open 3f2a --no-browser']
  static override args = {
    build: Args.string({ description: 'ID of a build, or its beginning; `native builds` lists them' }),
  }
  static override flags = {
    ...clusterFlags,
    browser: Flags.boolean({
      summary: 'open a browser; --no-browser prints the address only',
      default: true,
      allowNo: true,
    }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(Open)
    const driver = await this.openDriver(flags)
    const addresses = await driver.addresses()
    const id = await withHistory(addresses, async (history) =>
      args.build === undefined ? undefined : (await findBuild(history, args.build)).id,
    )
    const page = await driver.openPage((error) => this.note(`native: the page cannot be read: ${messageOf(error)}`))
    const url = `${page.url}/${id === undefined ? '' : `build/${encodeURIComponent(id)}`}`
    const program = flags.browser && !flags.json ? browserCommand(process.platform, process.env) : undefined
    const opened = program !== undefined && (await showInBrowser(program, url))
    if (flags.json) this.printJson({ url })
    else this.print(url)
    if (!opened && flags.browser && !flags.json)
      process.stderr.write('native: no browser found; open the address yourself\n')
    if (page.close) await this.#keepOpen(page.close)
  }

  /** The console of pods is forwarded to this machine for as long as this command runs. */
  async #keepOpen(close: () => Promise<void>): Promise<void> {
    this.note('native: the page is there until you press Ctrl-C')
    await this.interruptible(
      (signal) => new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true })),
    )
    await close()
  }
}
