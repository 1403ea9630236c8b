import { NativeCommand } from '../src/cli/base.ts'

export default class Man extends NativeCommand {
  static override summary = 'print the manual page'
  static override description =
    'If the package is installed globally (npm install --global), `man native` shows it too.'
  static override examples = ['<%= config.bin %> man > native.1', '<%= config.bin %> man | man -l -']

  async run(): Promise<void> {
    const { flags } = await this.parse(Man)
    const { manualPage } = await import('../src/cli/man.ts')
    const { readSurface } = await import('../src/cli/surface.ts')
    const page = manualPage(readSurface(this.config.root))
    if (flags.json) this.printJson({ page })
    else this.print(page.trimEnd())
  }
}
