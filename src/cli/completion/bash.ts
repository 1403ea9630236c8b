import { type CommandWords, type Completions, longForms } from './completions.ts'

/**
 * A script for bash 3.2 and later, without the package bash-completion. Bash splits words at `=`, so a flag with its
 * value is three words here.
 */
export function bashScript({ bin, first, second, commands }: Completions): string {
  const topics = second.map(({ topic }) => topic).join('|')
  return `# bash completion for ${bin}
_${bin}() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} command='' word at
  for ((at = 1; at < COMP_CWORD; at++)); do
    word=\${COMP_WORDS[at]}
    if [[ $word == -- ]]; then
      COMPREPLY=($(compgen -f -- "$current"))
      return
    fi
    if [[ $word == -* ]]; then break; fi
    if [[ -z $command && $word != help ]]; then
      command=$word
      case $word in ${topics}) continue ;; esac
      break
    elif [[ -n $command ]]; then
      command="$command $word"
      break
    fi
  done
  if [[ $current == = ]]; then current=''; elif [[ $previous == = ]]; then previous=\${COMP_WORDS[COMP_CWORD-2]}; fi
  local words='' flags='' values='' files=''
  case $command in
    '') words='${first.map(({ word }) => word).join(' ')}' ;;
${second.map(({ topic, words }) => `    '${topic}') words='${words.map(({ word }) => word).join(' ')}' ;;`).join('\n')}
${commands.map(commandCase).join('\n')}
  esac
  if [[ -n $values ]]; then
    COMPREPLY=($(compgen -W "$values" -- "$current"))
  elif [[ $current == -* ]]; then
    COMPREPLY=($(compgen -W "$flags" -- "$current"))
  elif [[ -n $words ]]; then
    COMPREPLY=($(compgen -W "$words" -- "$current"))
  elif [[ -n $files ]]; then
    compopt -o filenames 2>/dev/null
    COMPREPLY=($(compgen -f -- "$current"))
  fi
}
complete -F _${bin} ${bin}
`
}

function commandCase({ name, flags, values: words, takesFiles }: CommandWords): string {
  const names = flags.flatMap((flag) => [...longForms(flag), ...(flag.char ? [`-${flag.char}`] : [])])
  const options = flags.filter(({ type }) => type === 'option')
  const cases = options.map(({ name: flag, char, options: values }) => {
    const forms = char ? `--${flag} | -${char}` : `--${flag}`
    return `        ${forms}) ${values ? `values='${values.join(' ')}'` : "words='' files=yes"} ;;`
  })
  return `    '${name}')
      flags='${names.join(' ')}'
      words='${words.join(' ')}'
      files='${takesFiles ? 'yes' : ''}'
      case $previous in
${cases.join('\n')}
      esac
      ;;`
}
