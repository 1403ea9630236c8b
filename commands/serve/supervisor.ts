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
    const [{ readSettings, runSupervisor }, { createLog }, { systemClock }] = await Promise.all([
      import('../../src/serve/supervisor/run.ts'),
      import('../../src/telemetry/log.ts'),
      import('../../src/core/clock.ts'),
    ])
    const log = createLog({ level: 'info', format: 'json', name: 'supervisor' })
    const settings = readSettings(flags.state)
    const { stop, done } = await runSupervisor({ settings, pid: process.pid, clock: systemClock, log })
    process.on('SIGTERM', stop)
    process.on('SIGINT', stop)
    await done
  }
}
