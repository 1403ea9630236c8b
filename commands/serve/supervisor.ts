import { Flags } from '@oclif/core'
import { NativeCommand } from '../../src/cli/base.ts'

export default class Supervisor extends NativeCommand {
  static override hidden = true
  static override summary = 'run the servers of a cluster; `native up` starts it'
  static override flags = {
    state: Flags.file({ summary: "the supervisor's settings file", required: true }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(Supervisor)
    const { supervise } = await import('../../src/serve/supervisor/supervise.ts')
    await supervise(flags.state)
  }
}
