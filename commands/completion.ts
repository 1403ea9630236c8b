import { Args } from '@oclif/core'
import { NativeCommand } from '../src/cli/base.ts'
import { type Shell, shells } from '../src/cli/completion/completions.ts'

export default class Completion extends NativeCommand {
  static override summary = 'print a script that lets a shell complete commands and flags'
  static override description = `To load it in every new shell:

  bash: echo 'eval "$(native completion bash)"' >> ~/.bashrc
  zsh:  echo 'eval "$(native completion zsh)"' >> ~/.zshrc    (after compinit)
  fish: native completion fish > ~/.config/fish/completions/native.fish

The script is self-contained. Generate it again after you install another version of native.`
  static override examples = ['<%= config.bin %> completion bash', 'eval "$(<%= config.bin %> completion bash)"']
  static override args = {
    shell: Args.string({ description: shells.join(', '), required: true, options: [...shells] }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(Completion)
    const { completionScript } = await import('../src/cli/completion/script.ts')
    const script = completionScript(args.shell as Shell, this.config.root)
    if (flags.json) this.printJson({ shell: args.shell, script })
    else this.print(script.trimEnd())
  }
}
