import type { FlagFacts } from '../surface.ts'
import { type Completions, longForms } from './completions.ts'

/** A script for fish. */
export function fishScript({ bin, first, second, commands }: Completions): string {
  const is = (name: string) => `__${bin}_is ${quoted(name)}`
  const lines = [
    ...first.map(({ word, summary }) => complete(bin, is(''), [`-a ${word}`, `-d ${quoted(summary)}`])),
    ...second.flatMap(({ topic, words }) =>
      words.map(({ word, summary }) => complete(bin, is(topic), [`-a ${word}`, `-d ${quoted(summary)}`])),
    ),
    ...commands.flatMap(({ name, flags, values, takesFiles }) => [
      ...flags.flatMap((flag) => longForms(flag).map((form) => complete(bin, is(name), flagWords(flag, form)))),
      ...(values.length === 0 ? [] : [complete(bin, is(name), [`-a ${quoted(values.join(' '))}`])]),
      ...(takesFiles ? [complete(bin, is(name), ['-F'])] : []),
    ]),
  ]
  return `# fish completion for ${bin}
function __${bin}_is --description 'Is this the command that is being written?'
    set -l command
    for word in (commandline -opc)[2..-1]
        switch $word
            case '-*'
                break
            case help
                test -z "$command"; and continue
        end
        set -a command $word
        contains -- "$command" ${second.map(({ topic }) => topic).join(' ')}; or break
    end
    test "$command" = "$argv[1]"
end
complete -c ${bin} -f
${lines.join('\n')}
`
}

function complete(bin: string, condition: string, words: readonly string[]): string {
  return `complete -c ${bin} -n ${quoted(condition)} ${words.join(' ')}`
}

function flagWords({ char, type, options, summary = '' }: FlagFacts, form: string): string[] {
  return [
    `-l ${form.slice(2)}`,
    ...(char ? [`-s ${char}`] : []),
    ...(type === 'boolean' ? [] : options ? ['-x', `-a ${quoted(options.join(' '))}`] : ['-r', '-F']),
    `-d ${quoted(summary)}`,
  ]
}

function quoted(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&')}'`
}
