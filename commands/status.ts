import { Flags } from '@oclif/core'
import { afterKept, type ClusterFlags, clusterFlags, NativeCommand, nameFlag } from '../src/cli/base.ts'
import { statusText } from '../src/cli/status.ts'
import { isLive } from '../src/cli/terminal.ts'
import { parseSpanFlag } from '../src/cli/values.ts'
import type { ClusterStatus } from '../src/cluster/status.ts'

const notDeployed = 5
const intervalMsUsual = 2_000

/** What to do next, if that is clear. */
function hintOf({ name, state, keptData }: ClusterStatus, bin: string): string | undefined {
  const flag = nameFlag({ name })
  if (keptData !== null) return afterKept(bin, flag)
  if (state === 'up') return `No servers are deployed. Next: ${bin} deploy${flag}`
  if (state !== 'absent') return undefined
  return `There is no cluster of this name${name === 'native' ? '' : ' (--name)'}: ${bin} deploy brings one up.`
}

export default class Status extends NativeCommand {
  static override summary = 'show the servers of the cluster and whether they answer'
  static override examples = [
    '<%= config.bin %> status',
    '<%= config.bin %> status --json',
    '<%= config.bin %> status --exit-status',
    '<%= config.bin %> status --watch --interval 5s',
  ]
  static override description =
    'Exits with 0 whatever it shows; with --exit-status, exits with 5 unless the cluster is deployed and every server answers. With --watch, it repeats until Ctrl-C (exit code 0) and shows what is waiting, what is running and how fast: updated in place on a terminal, one line each time elsewhere, one JSON value per line with --json.'
  static override flags = {
    ...clusterFlags,
    'exit-status': Flags.boolean({
      summary: 'exit with 5 unless the servers are deployed and all of them answer',
      exclusive: ['watch'],
    }),
    watch: Flags.boolean({ char: 'w', summary: 'repeat, and show what happened since the last time' }),
    interval: Flags.string({ summary: 'time between two updates, such as 500ms or 10s', dependsOn: ['watch'] }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(Status)
    if (flags.watch) return this.#watch(flags)
    const status = await (await this.openDriver(flags)).status()
    if (flags.json) this.printJson(status)
    else this.print(statusText(status, Date.now(), process.stdout))
    const hint = hintOf(status, this.config.bin)
    if (hint !== undefined && !flags.json) this.note(hint)
    if (flags['exit-status'] && status.state !== 'deployed') this.exit(notDeployed)
  }

  async #watch(flags: ClusterFlags & { json: boolean; interval?: string | undefined }): Promise<void> {
    const { runWatch } = await import('../src/cli/watch/run.ts')
    const ending = new AbortController()
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => ending.abort())
    await runWatch(
      {
        ask: async () => (await this.openDriver(flags)).status(),
        intervalMs: flags.interval === undefined ? intervalMsUsual : parseSpanFlag(flags.interval, '--interval'),
        signal: ending.signal,
      },
      { json: flags.json, stdout: process.stdout, live: isLive(process.stdout, process.env) },
    )
  }
}
