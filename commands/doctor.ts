import { homedir, tmpdir } from 'node:os'
import { clusterFlags, NativeCommand } from '../src/cli/base.ts'

const unhealthy = 5

export default class Doctor extends NativeCommand {
  static override summary = 'check this machine and the cluster, and name the cure for what is wrong'
  static override description =
    'Exit code 0 when nothing is wrong, 5 when something is. A note is something that only some uses need.'
  static override examples = ['<%= config.bin %> doctor', '<%= config.bin %> doctor --json']
  static override flags = clusterFlags

  async run(): Promise<void> {
    const { flags } = await this.parse(Doctor)
    const { runChecks } = await import('../src/cluster/preflight/check.ts')
    const { doctorChecks } = await import('../src/cluster/preflight/doctor.ts')
    const { clusterPaths } = await import('../src/cluster/process/paths.ts')
    const { findingsText } = await import('../src/cli/findings.ts')
    const driver = await this.openDriver(flags)
    const surroundings = { env: process.env, home: homedir(), tmp: tmpdir(), uid: process.getuid?.() ?? -1 }
    const findings = await runChecks(
      doctorChecks(driver, {
        platform: process.platform,
        arch: process.arch,
        nodeVersion: process.versions.node,
        env: process.env,
        cwd: process.cwd(),
        dataFolder: clusterPaths(flags.name, surroundings).data,
      }),
    )
    const healthy = findings.every((each) => each.state !== 'failed')
    if (flags.json) this.printJson({ healthy, checks: findings })
    else this.print(findingsText(findings, process.stdout))
    if (!healthy) this.exit(unhealthy)
  }
}
