import type { RunEvent } from '../../client/run-output.ts'
import { countText } from '../../core/count-text.ts'
import { printable } from '../../core/printable.ts'

/** Says what the lines do not: of which actions they are not all. */
export function besideLines(note: (text: string) => void): (event: RunEvent) => void {
  let skipped = 0
  return (event) => {
    if (event.kind === 'ended' && event.broken !== '')
      note(`the output of an action ends early: ${printable(event.broken)}`)
    if (event.kind !== 'flight' || event.skipped <= skipped) return
    note(`the output of ${countText(event.skipped - skipped, 'action')} is not shown: there was too much at once`)
    skipped = event.skipped
  }
}
