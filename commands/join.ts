import { resolve } from 'node:path'
import { Args, Flags } from '@oclif/core'
import { clusterFlags, NativeCommand, nameFlag } from '../src/cli/base.ts'
import { parseProperty } from '../src/cli/values.ts'
import { Failure } from '../src/core/failure.ts'

export default class Join extends NativeCommand {
  static override summary = "make this machine a worker in another machine's cluster"
  static override description =
    'Takes the address and the flags that `native invite` printed on the other machine. The worker runs under a supervisor until `native leave`. It only makes outgoing connections, so it may be behind NAT. Whoever runs the cluster can run commands as you on this machine, in a sandbox if this machine allows one. To keep the token out of process lists and shell history, pass it in NATIVE_TOKEN or on standard input.'
  static override examples = [
    '<%= config.bin %> join grpcs://build.example.com:50052 --token native_... --ca sha256:...',
    '<%= config.bin %> join grpcs://build.example.com:50052 --ca sha256:... --slots 4 --property pool=fast < token.txt',
  ]
  static override args = { address: Args.string({ description: 'grpcs://host:port of the scheduler', required: true }) }
  static override flags = {
    ...clusterFlags,
    token: Flags.string({
      summary:
        'the token from the invitation; read from standard input when neither the flag nor NATIVE_TOKEN is given',
      env: 'NATIVE_TOKEN',
    }),
    ca: Flags.string({
      summary: "fingerprint of the authority to trust; without it, the system's authorities are trusted",
    }),
    'tls-cert': Flags.file({
      summary: 'certificate (PEM) that this machine shows, for clusters that require client certificates',
      dependsOn: ['tls-key'],
    }),
    'tls-key': Flags.file({ summary: 'its private key (PEM)', dependsOn: ['tls-cert'] }),
    worker: Flags.string({ summary: "the worker's name in the cluster; by default the name of this machine" }),
    slots: Flags.integer({
      summary: 'number of actions that it runs at the same time; by default the number of processors of this machine',
      min: 1,
      max: 1024,
    }),
    property: Flags.string({
      summary: 'a platform property that the worker offers, as NAME=VALUE; may be repeated',
      multiple: true,
      multipleNonGreedy: true,
    }),
    sandbox: Flags.option({
      summary: 'run actions in a sandbox always (on), if this machine allows one (auto), or never (off)',
      options: ['auto', 'on', 'off'] as const,
    })(),
    foreground: Flags.boolean({
      summary: 'stay in the foreground, and leave the cluster when interrupted or terminated; for containers',
    }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(Join)
    // No process that this one starts should have it.
    delete process.env['NATIVE_TOKEN']
    const { awaitEnd, joinUrl, untilEnded, workerName } = await import('../src/cli/join.ts')
    const { readToken } = await import('../src/cli/login.ts')
    const { parseFingerprint } = await import('../src/wire/tls/fingerprint.ts')
    const { worker, slots, sandbox, 'tls-cert': tlsCert, 'tls-key': tlsKey } = flags
    const url = joinUrl(args.address)
    const fingerprint = flags.ca === undefined ? undefined : parseFingerprint(flags.ca, '--ca')
    const driver = await this.openDriver(flags, 'join')
    const steps = driver.join({
      url,
      token: flags.token ?? (await readToken(process.stdin, process.stderr, `${this.config.bin} join ${args.address}`)),
      ...(fingerprint !== undefined && { fingerprint }),
      ...(tlsCert !== undefined && tlsKey !== undefined && { tlsCert: resolve(tlsCert), tlsKey: resolve(tlsKey) }),
      ...(worker !== undefined && { worker: workerName(worker) }),
      ...(slots !== undefined && { slots }),
      ...(sandbox !== undefined && { sandbox }),
      properties: (flags.property ?? []).map(parseProperty),
    })
    const leave = `${this.config.bin} leave${nameFlag(flags)}`
    if (!flags.foreground) {
      await this.runSteps(steps, flags)
      if (flags.json) this.printJson(await driver.status())
      else this.print(`This machine works for ${url}. \`${leave}\` ends that.`)
      return
    }
    // A signal between the steps and the wait for one would end this process, but not the worker.
    const end = awaitEnd()
    try {
      await this.runSteps(steps, flags)
      if (!end.asked.aborted) {
        if (flags.json) this.printJson(await driver.status())
        else this.print(`This machine works for ${url} until it is interrupted.`)
      }
      const tell = (message: string) => this.note(`native: ${message}`)
      if (await untilEnded(driver, end.asked, tell))
        throw new Failure('program', 'the worker or its supervisor was stopped', {
          next: [`\`${leave}\` removes what is left; \`${this.config.bin} join\` starts again.`],
        })
      await this.runSteps(driver.leave(), flags)
    } finally {
      end.close()
    }
  }
}
