import { Args, Flags } from '@oclif/core'
import { clusterFlags, NativeCommand } from '../src/cli/base.ts'
import { logJson, logText } from '../src/cli/log-lines.ts'
import { parseSince } from '../src/cli/since.ts'
import type { LogLine } from '../src/cluster/driver.ts'

const interrupted = 130
const linesUsual = 20
/** For each server. */
const linesMax = 100_000

export default class Logs extends NativeCommand {
  static override summary = "print the last lines of the servers' logs"
  static override description = `Lines from several servers are sorted by the time at which they were written.

On a terminal, they are formatted for reading. Elsewhere, each line is exactly what the server wrote, by default one JSON object; with --json, it always is one, with the name of the server in the field name.`
  static override examples = [
    '<%= config.bin %> logs',
    '<%= config.bin %> logs worker-1 -f',
    '<%= config.bin %> logs cas scheduler --lines 100',
    '<%= config.bin %> logs --since 10m',
    '<%= config.bin %> logs --since 2026-11-29T08:30:00Z --json',
  ]
  static override strict = false
  static override args = {
    server: Args.string({ description: 'cas, scheduler, worker-1, supervisor…; by default all' }),
  }
  static override flags = {
    ...clusterFlags,
    follow: Flags.boolean({ char: 'f', summary: 'keep printing new lines until interrupted' }),
    lines: Flags.integer({
      char: 'n',
      summary: `number of last lines to print for each server; ${linesUsual} by default, or all with --since`,
      min: 0,
      max: linesMax,
    }),
    since: Flags.string({
      summary: 'only lines written since then: a duration such as 10m or 2h, or a time (RFC 3339)',
    }),
  }

  async run(): Promise<void> {
    const { flags, argv } = await this.parse(Logs)
    const sinceMs = flags.since === undefined ? undefined : parseSince(flags.since, Date.now())
    const lines = flags.lines ?? (sinceMs === undefined ? linesUsual : linesMax)
    const driver = await this.openDriver(flags)
    let printed = 0
    let stopped = false
    await this.interruptible(async (signal) => {
      const options = { servers: argv.map(String), follow: flags.follow, lines, sinceMs, signal }
      for await (const line of driver.logs(options)) {
        this.print(this.shown(line, flags))
        printed += 1
      }
      stopped = signal.aborted
    })
    if (printed === 0 && !stopped && sinceMs !== undefined)
      this.note(`native: nothing was logged since ${new Date(sinceMs).toISOString()}`)
    // Following ends only by an interrupt, with the exit code of any interrupt.
    if (stopped) this.exit(interrupted)
  }

  private shown(line: LogLine, { json }: { json: boolean }): string {
    if (json) return logJson(line)
    return process.stdout.isTTY ? logText(line, Date.now(), process.stdout) : line.text
  }
}
