import { clusterFlags, NativeCommand } from '../src/cli/base.ts'
import { userContext } from '../src/cli/user.ts'

const unhealthy = 5

export default class Doctor extends NativeCommand {
  static override summary = 'check this machine and the cluster, and say how to fix what is wrong'
  static override description =
    'Exits with 0 if nothing is wrong and with 5 otherwise. Notes concern things that only some features need.'
  static override examples = ['<%= config.bin %> doctor', '<%= config.bin %> doctor --json']
  static override flags = clusterFlags

  async run(): Promise<void> {
    const { flags } = await this.parse(Doctor)
    const { runChecks } = await import('../src/cluster/preflight/check.ts')
    const { doctorChecks } = await import('../src/cluster/preflight/doctor.ts')
    const { findingsText } = await import('../src/cli/findings.ts')
    const driver = await this.openDriver(flags)
    const findings = await runChecks(
      doctorChecks(driver, {
        platform: process.platform,
        arch: process.arch,
        nodeVersion: process.versions.node,
        user: userContext(),
        cwd: process.cwd(),
      }),
    )
    const healthy = findings.every((each) => each.state !== 'failed')
    if (flags.json) this.printJson({ healthy, checks: findings })
    else this.print(findingsText(findings, process.stdout))
    if (!healthy) this.exit(unhealthy)
  }
}
