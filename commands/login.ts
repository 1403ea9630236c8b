import { Args, Flags } from '@oclif/core'
import { NativeCommand } from '../src/cli/base.ts'
import { userContext } from '../src/cli/user.ts'
import { systemClock } from '../src/core/clock.ts'

export default class Login extends NativeCommand {
  static override summary = 'store the token for a server, for use by all commands and by Bazel'
  static override description =
    'Reads the token from standard input, or asks for it. Once the server has accepted the token, it is stored in a file that only you can read. A cluster that you deployed yourself needs no login. The scheduler forwards calls to the cache, so logging in to the scheduler is enough; to use the cache at its own address, log in there too.'
  static override examples = [
    '<%= config.bin %> login grpcs://build.example.com:50052 --tls-ca ca.pem',
    '<%= config.bin %> login build.example.com:50052 < token.txt',
  ]
  static override args = { address: Args.string({ description: 'host:port of a server', required: true }) }
  static override flags = {
    'tls-ca': Flags.file({
      summary:
        "the certificate authority (PEM) that signed the server's certificate, if this system does not trust it already",
    }),
    'tls-cert': Flags.file({
      summary: 'the certificate (PEM) to show to the server, if it asks for one besides the token',
      dependsOn: ['tls-key'],
    }),
    'tls-key': Flags.file({ summary: 'its private key (PEM)', dependsOn: ['tls-cert'] }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(Login)
    const { assertTaken, limitedNote, loginTarget, readableNote, readToken } = await import('../src/cli/login.ts')
    const { tlsFilesOf } = await import('../src/cli/reach.ts')
    const { isReadable } = await import('../src/core/address.ts')
    const { keepLogin, loginsFile } = await import('../src/access/logins.ts')
    const target = loginTarget(args.address, tlsFilesOf(flags))
    const { url } = target
    if (isReadable(url)) process.stderr.write(`native: ${readableNote}\n`)
    const token = await readToken(process.stdin, process.stderr, `${this.config.bin} login ${args.address}`)
    const taken = await this.interruptible((signal) => assertTaken(target, token, signal))
    if (taken === 'events of builds') process.stderr.write(`native: ${limitedNote}.\n`)
    const user = userContext()
    await keepLogin(user, [url], token, systemClock)
    const file = loginsFile(user)
    if (flags.json) this.printJson({ url, file })
    else this.print(`${url} accepts the token, which is stored in ${file}.`)
  }
}
