import { clusterFlags, NativeCommand } from '../src/cli/base.ts'

export default class Mcp extends NativeCommand {
  static override summary =
    'answer questions of coding agents about builds, using the Model Context Protocol on standard input and output'
  static override description =
    'Meant to be started by an agent, not by a person: it reads requests until its input ends. The tools give the same answers as builds, explain, diff and status, list the actions of a build, and show a single action. None of them changes anything.'
  static override examples = ['<%= config.bin %> mcp', 'claude mcp add native -- <%= config.bin %> mcp']
  static override flags = { ...clusterFlags }

  async run(): Promise<void> {
    const { flags } = await this.parse(Mcp)
    const { serveMcp } = await import('../src/cli/mcp/server.ts')
    const { toolsOf } = await import('../src/cli/mcp/tools.ts')
    const driver = () => this.openDriver(flags)
    const tools = toolsOf({
      addresses: async () => (await driver()).addresses(),
      status: async () => (await driver()).status(),
      folder: process.cwd(),
    })
    const ending = new AbortController()
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => ending.abort())
    const { version } = this.config
    await serveMcp({ version, tools, input: process.stdin, output: process.stdout, signal: ending.signal })
  }
}
