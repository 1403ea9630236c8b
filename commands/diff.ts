import { Args, Flags } from '@oclif/core'
import { clusterFlags, NativeCommand } from '../src/cli/base.ts'
import { addressesGiven, addressFlags } from '../src/cli/reach.ts'
import { columnsFor } from '../src/cli/terminal.ts'

export default class Diff extends NativeCommand {
  static override summary = 'show how two actions differ: arguments, variables, platform, inputs'
  static override description =
    'Reads both actions from the cache and compares them argument by argument, variable by variable and, where their input trees are in the cache, path by path. Values of variables and flags whose names look like those of secrets are hidden.'
  static override examples = [
    '<%= config.bin %> diff 8c1d…/142 f03b…/142',
    '<%= config.bin %> diff --address build.example.com:50051 8c1d…/142 f03b…/142',
  ]
  static override args = {
    action: Args.string({
      description:
        'digest of the first action: HASH/SIZE, HASH:SIZE, HASH, or for an action in the history the beginning of HASH',
      required: true,
    }),
    other: Args.string({ description: 'digest of the second', required: true }),
  }
  static override flags = {
    ...clusterFlags,
    ...addressFlags,
    instance: Flags.string({ summary: 'instance name that the actions belong to', default: '' }),
    'digest-function': Flags.option({
      summary: 'hash function of the digests; by default, inferred from their length',
      options: ['sha256', 'sha1', 'sha384', 'sha512', 'blake3'] as const,
    })(),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(Diff)
    const { comparisonText, diffActions } = await import('../src/cli/diff.ts')
    const cluster = addressesGiven(flags) ?? (await (await this.openDriver(flags)).addresses())
    const comparison = await this.interruptible((signal) =>
      diffActions(cluster, {
        one: args.action,
        other: args.other,
        instance: flags.instance,
        ...(flags['digest-function'] !== undefined && { fn: flags['digest-function'] }),
        signal,
      }),
    )
    if (flags.json) this.printJson(comparison)
    else this.print(comparisonText(comparison, columnsFor(process.stdout)))
  }
}
