import { countText } from '../../core/count-text.ts'
import { printable } from '../../core/printable.ts'
import { findingsText } from '../../explain/hermetic.ts'
import type { HermeticReport } from '../check-hermetic.ts'
import { stoppedText } from '../repeat/text.ts'

const shownUncheckedMax = 10
const whyCharactersMax = 1_000

/** A report for people. */
export function hermeticText(report: HermeticReport): string {
  const { build, checked, findings, unchecked, stopped } = report
  const nothing = `${checked === 1 ? 'It' : 'They'} took nothing from the machine besides ${checked === 1 ? 'its' : 'their'} inputs.`
  const lines = unchecked.slice(0, shownUncheckedMax).map(({ mnemonic, target, action, why }) => {
    const name = [mnemonic, target].filter(Boolean).join(' of ') || action.slice(0, 8)
    return `  ${printable(name)}: ${printable(why, whyCharactersMax)}`
  })
  const more = unchecked.length - lines.length
  return [
    `Build ${build}: ${runText(report)} run once more, traced.`,
    findings.length > 0 ? findingsText(findings) : checked > 0 ? nothing : 'Nothing can be said about this build.',
    ...(lines.length > 0
      ? [['Could not be checked:', ...lines, ...(more > 0 ? [`  and ${more} more`] : [])].join('\n')]
      : []),
    ...(stopped ? [stoppedText(stopped)] : []),
    'What no trace shows: a program that asks for the time or a random number, and which variables it reads. Where that matters, an output differs.',
  ].join('\n\n')
}

/** `all 212 actions were`, `1 of 3 actions was`. */
function runText({ checked, actions }: HermeticReport): string {
  if (checked !== actions) return `${checked} of ${countText(actions, 'action')} ${checked === 1 ? 'was' : 'were'}`
  return actions === 1 ? 'its only action was' : `all ${countText(actions, 'action')} were`
}
