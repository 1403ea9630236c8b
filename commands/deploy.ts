import { Flags } from '@oclif/core'
import { addressLines } from '../src/cli/addresses.ts'
import { clusterFlags, NativeCommand } from '../src/cli/base.ts'
import { parseProperty, parseSizeFlag } from '../src/cli/values.ts'

export default class Deploy extends NativeCommand {
  static override summary = 'run a cache, a scheduler and workers on the cluster'
  static override description =
    `Brings the cluster up first where it is not. Waits until the servers answer and an action has run on every worker. Deploying again restarts only what changes; what is not named stays as it was, unless --config is given, which starts from the defaults.`
  static override examples = [
    '<%= config.bin %> deploy',
    '<%= config.bin %> deploy --workers 4 --slots 2 --cache-size 20GB',
    '<%= config.bin %> deploy --property container-image=docker://example.com/tools:1',
    '<%= config.bin %> deploy --config deployment.yaml',
  ]
  static override flags = {
    ...clusterFlags,
    workers: Flags.integer({ summary: 'how many workers', min: 0, max: 256 }),
    slots: Flags.integer({ summary: 'actions that each worker runs at once', min: 1, max: 1024 }),
    'cache-size': Flags.string({ summary: 'what the cache may hold, like 20GB or 512MiB' }),
    property: Flags.string({
      summary: 'what the workers offer beside the usual, as key=value; may be given several times',
      multiple: true,
      multipleNonGreedy: true,
    }),
    config: Flags.file({ summary: 'a YAML file with these and further settings' }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(Deploy)
    const driver = await this.openDriver(flags)
    const steps = driver.deploy({
      ...(flags.workers !== undefined && { workers: flags.workers }),
      ...(flags.slots !== undefined && { slots: flags.slots }),
      ...(flags['cache-size'] !== undefined && { cacheSizeBytes: parseSizeFlag(flags['cache-size'], '--cache-size') }),
      ...(flags.config !== undefined && { configFile: flags.config }),
      properties: (flags.property ?? []).map(parseProperty),
    })
    await this.runSteps(steps, flags)
    if (flags.json) this.printJson(await driver.status())
    else this.print(addressLines(await driver.addresses()))
  }
}
