import { countText } from '../../core/count-text.ts'
import type { ContentDifference, DifferentAction, DifferentOutput } from '../../core/output-difference.ts'
import { printable } from '../../core/printable.ts'
import { wrapped } from '../wrap.ts'
import type { Stopped } from './each-action.ts'
import type { NotElsewhere, NotRun, RepeatReport } from './outcome.ts'

/** A report for people. */
export function repeatText(report: RepeatReport, columns: number): string {
  const { different, moreDifferent, notElsewhere, notRun, left, checked, stopped } = report
  return [
    wrapped(headline(report), columns),
    ...different.map((each) => differentText(each, columns)),
    ...(moreDifferent > 0 ? [`${countText(moreDifferent, 'more action')} made something else.`] : []),
    ...notElsewhere.map((each) => wrapped(notElsewhereText(each), columns)),
    ...notRun.map((each) => wrapped(notRunText(each), columns)),
    ...(stopped ? [wrapped(stoppedText(stopped), columns)] : []),
    ...(left > 0
      ? [wrapped(`${countText(left, 'action')} beyond --limit ${left === 1 ? 'was' : 'were'} not looked at.`, columns)]
      : []),
    ...(checked === 0 && notRun.length === 0 ? ['There was nothing to run again.'] : []),
  ].join('\n\n')
}

function headline({ build, checked, same, different, moreDifferent, notElsewhere }: RepeatReport): string {
  const differ = different.length + moreDifferent
  const elsewhere = checked - notElsewhere.reduce((sum, { actions }) => sum + actions, 0)
  const share = elsewhere < checked ? `${elsewhere.toLocaleString('en')} of them ` : checked > 1 ? 'all ' : ''
  const where = elsewhere === 0 ? '' : ` (${share}on another worker)`
  const name = `Build ${printable(build)}: ${countText(checked, 'action')} run again${where}`
  if (differ === 0) return `${name}${checked > 0 ? `, and ${same === 1 ? 'it' : 'all of them'} made the same` : ''}.`
  return `${name}, of which ${differ.toLocaleString('en')} made something else.`
}

/** How an action's outputs differ, for people. */
export function differentText(action: DifferentAction, columns: number): string {
  const { target, mnemonic, action: digest, workers, exitCodes, outputs, moreOutputs } = action
  const name = printable([target, mnemonic].filter(Boolean).join(' ')) || 'Action'
  const [first, second] = workers.map((worker) => printable(worker) || 'an unnamed worker')
  const where = first === second ? `both times on ${first}` : `first on ${first}, then on ${second}`
  return [
    wrapped(`${name} (${digest.slice(0, 8)}), ${where}:`, columns),
    ...(exitCodes[0] === exitCodes[1] ? [] : [`  exit code ${exitCodes[0]}, then ${exitCodes[1]}`]),
    ...outputs.flatMap((each) => outputLines(each, columns)),
    ...(moreOutputs > 0 ? [`  and ${countText(moreOutputs, 'more output')}`] : []),
  ].join('\n')
}

function outputLines({ path, kind, one, other, contents }: DifferentOutput, columns: number): string[] {
  const name = printable(path)
  const line = (text: string) => `  ${wrapped(text, columns - 2, '  ')}`
  if (kind === 'only-first' || kind === 'only-second')
    return [line(`${name} is only there ${kind === 'only-first' ? 'the first' : 'the second'} time`)]
  if (kind === 'target' || kind === 'executable')
    return [line(`${name}: ${printable(one ?? '')}, then ${printable(other ?? '')}`)]
  if (!contents) return [line(`${name} has other contents (${sizesOf(one, other)})`)]
  return [
    line(`${name} differs from byte ${contents.offset} on (${sizesOf(one, other)})`),
    ...contents.differences.flatMap((each) => differenceLines(each).map((text) => `    ${text}`)),
    ...(contents.cut ? ['    and more'] : []),
  ]
}

const partWords: Readonly<Record<ContentDifference['kind'], string>> = {
  time: 'a time',
  path: 'a path',
  order: 'the order',
  owner: 'the owner',
  mode: 'the mode',
  kind: 'the kind',
  compression: 'the compression',
  'only-first': 'an entry that is only there the first time',
  'only-second': 'an entry that is only there the second time',
  contents: 'bytes',
  framing: 'nothing of its entries, but how they are written',
}

function differenceLines({ within, kind, offset, one, other }: ContentDifference): string[] {
  const where = within.map((each) => printable(each)).join(' > ')
  const at = offset === null ? '' : ` at byte ${offset}`
  return [
    `${where === '' ? '' : `${where}: `}${partWords[kind]}${at}`,
    ...(one === null ? [] : [`  - ${printable(one)}`]),
    ...(other === null ? [] : [`  + ${printable(other)}`]),
  ]
}

function sizesOf(one: string | null, other: string | null): string {
  const [before, after] = [one, other].map((digest) => digest?.split('/')[1] ?? '?')
  return before === after ? `${before} bytes` : `${before} and ${after} bytes`
}

const sameWorkerWords: Readonly<Record<NotElsewhere['reason'], string>> = {
  'only-worker': 'ran on the same worker again, because no other worker could run',
  'others-busy': 'ran on the same worker again, because no other worker was free in time for',
  unknown: 'may have run on the same worker again: nothing says which worker made the result of',
}

function notElsewhereText({ reason, actions, example }: NotElsewhere): string {
  const object = actions === 1 ? 'it' : 'them'
  return `${countText(actions, 'action')} ${sameWorkerWords[reason]} ${object} (for example ${printable(example)}).`
}

const reasonWords: Readonly<Record<NotRun['reason'], string>> = {
  'inputs-missing':
    'could not be run again, because inputs of theirs are not in the cache: with a cache alone, Bazel uploads none',
  'action-missing': 'could not be run again, because the action itself is not in the cache',
  refused: 'could not be run again',
  'not-compared': 'ran again, but what was made could not be compared',
}

function notRunText({ reason, actions, example, message }: NotRun): string {
  const said = reason === 'refused' || reason === 'not-compared' ? `: ${printable(message)}` : ''
  return `${countText(actions, 'action')} ${reasonWords[reason]} (for example ${printable(example)}${said}).`
}

/** The message about a check that ended early. */
export function stoppedText({ actions, message }: Stopped): string {
  const left = actions === 0 ? '' : ` ${countText(actions, 'action')} ${actions === 1 ? 'was' : 'were'} not begun.`
  return `The check was stopped, since a server did not answer or refused it (${printable(message)}).${left}`
}
