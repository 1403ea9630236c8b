import { Args } from '@oclif/core'
import { NativeCommand } from '../src/cli/base.ts'
import { userContext } from '../src/cli/user.ts'
import { systemClock } from '../src/core/clock.ts'

export default class Logout extends NativeCommand {
  static override summary = 'remove the stored token for a server'
  static override examples = ['<%= config.bin %> logout grpc://build.example.com:50052']
  static override args = { address: Args.string({ description: 'host:port of a server', required: true }) }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(Logout)
    const { serverUrl } = await import('../src/cli/login.ts')
    const { removeLogin } = await import('../src/access/logins.ts')
    const url = serverUrl(args.address)
    const removed = await removeLogin(userContext(), url, systemClock)
    if (flags.json) this.printJson({ url, removed })
    else this.print(removed ? `The token for ${url} was removed.` : `No token was stored for ${url}.`)
  }
}
