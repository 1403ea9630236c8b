import { Args } from '@oclif/core'
import { NativeCommand } from '../src/cli/base.ts'
import { userContext } from '../src/cli/user.ts'

export default class CredentialHelper extends NativeCommand {
  static override summary = "answer Bazel's requests for credentials, on standard input and output"
  static override description =
    'Bazel runs it if --credential_helper names it; `native bazelrc` sets that flag for a cluster that needs a token. It answers with the token stored for the address, or with no headers if there is none.'
  static override examples = [`echo '{"uri":"https://127.0.0.1:50051/"}' | <%= config.bin %> credential-helper get`]
  static override args = {
    command: Args.string({ description: 'what is asked for', required: true, options: ['get'] }),
  }

  async run(): Promise<void> {
    await this.parse(CredentialHelper)
    const { helperAnswer, readRequest } = await import('../src/cli/credential-helper.ts')
    this.print(JSON.stringify(await helperAnswer(userContext(), await readRequest(process.stdin))))
  }
}
