import { stripVTControlCharacters, styleText } from 'node:util'
import type { RunFacts } from '../../client/run-output.ts'
import { printable } from '../../core/printable.ts'
import type { OutputLine } from './lines.ts'

const nameLengthMax = 60
const hashShown = 12
const colours = ['cyan', 'magenta', 'yellow', 'blue', 'green'] as const

/** A line for programs: one JSON object. */
export function lineJson({ invocation, text, lost, ...facts }: OutputLine, at: number): string {
  const { target, mnemonic, action, worker, stream } = facts
  const line = { at, build: invocation, target, mnemonic, action, worker, stream, text: harmless(text), lost }
  return JSON.stringify(line)
}

/** A line for people: which action's it is, in that action's colour, then its text. */
export function lineText(line: OutputLine, stream: NodeJS.WriteStream): string {
  const name = nameOf(line)
  const head = `${styleText(colourOf(name), name, { stream })} ${styleText('dim', '|', { stream })}`
  const gap =
    line.lost > 0 ? [`${head} ${styleText('dim', `(${line.lost} bytes are not kept any more)`, { stream })}`] : []
  return [...gap, `${head} ${harmless(line.text)}`].join('\n')
}

/** Its target; if the client names none, its mnemonic or its digest. */
export function nameOf({ target, mnemonic, action }: RunFacts): string {
  return printable(target || mnemonic || action.slice(0, hashShown), nameLengthMax)
}

/** Removes an action's own colour sequences entirely, not only their escape character. */
function harmless(text: string): string {
  return printable(stripVTControlCharacters(text).replaceAll('\t', '    '), Number.POSITIVE_INFINITY)
}

function colourOf(name: string): (typeof colours)[number] {
  let sum = 0
  for (let at = 0; at < name.length; at += 1) sum = (sum * 31 + name.charCodeAt(at)) % 65_521
  return colours[sum % colours.length] ?? 'cyan'
}
