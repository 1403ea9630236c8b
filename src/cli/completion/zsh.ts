import { shellQuoted } from '../../core/shell-word.ts'
import type { FlagFacts } from '../surface.ts'
import { type CommandWords, type Completions, longForms, type Word } from './completions.ts'

/** A script for zsh, to be sourced after compinit or installed as `_native` in a folder of $fpath. */
export function zshScript({ bin, first, second, commands }: Completions): string {
  return `#compdef ${bin}
# zsh completion for ${bin}
_${bin}() {
  local command='' at
  local -a entries
  for ((at = 2; at < CURRENT; at++)); do
    [[ $words[at] == -* ]] && break
    [[ -z $command && $words[at] == help ]] && continue
    command="\${command:+$command }$words[at]"
    case $command in ${second.map(({ topic }) => topic).join('|')}) ;; *) break ;; esac
  done
  case $command in
    '')
${entriesOf('command', first)}
      ;;
${second.map(({ topic, words }) => `    '${topic}')\n${entriesOf('command', words)}\n      ;;`).join('\n')}
${commands.map(commandCase).join('\n')}
  esac
}
if [[ "$funcstack[1]" == _${bin} ]]; then _${bin} "$@"; else compdef _${bin} ${bin}; fi
`
}

function entriesOf(tag: string, words: readonly Word[]): string {
  const lines = words.map(({ word, summary }) => `        ${shellQuoted(`${word}:${summary}`)}`)
  return `      entries=(\n${lines.join('\n')}\n      )\n      _describe ${tag} entries`
}

function commandCase({ name, flags, values, takesFiles }: CommandWords): string {
  // After \`--\` comes another program's command line: files are the best that we can offer.
  const files = takesFiles ? ["'*:file:_files'"] : []
  const rest = values.length === 0 ? files : [shellQuoted(`1:value:(${values.join(' ')})`), ...files]
  return `    '${name}')
      # The command's last word stands where _arguments expects the program.
      shift $((at - 1)) words
      ((CURRENT -= at - 1))
      _arguments -s \\
${[...flags.flatMap(flagSpecs), ...rest].map((each) => `        ${each}`).join(' \\\n')}
      ;;`
}

function flagSpecs(flag: FlagFacts): string[] {
  const { char, type, options, multiple, summary = '' } = flag
  const told = summary.replace(/[[\]\\:]/g, '\\$&')
  const value = type === 'option' ? `:value:${options ? `(${options.join(' ')})` : '_files'}` : ''
  const mark = multiple ? '*' : ''
  const forms = [...longForms(flag).map((each) => [each, '=']), ...(char ? [[`-${char}`, '+']] : [])] as const
  return forms.map(([form, join]) => shellQuoted(`${mark}${form}${type === 'option' ? join : ''}[${told}]${value}`))
}
