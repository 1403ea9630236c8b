import type { RunEvent } from '../../client/run-output.ts'
import { countText } from '../../core/count-text.ts'
import { printable } from '../../core/printable.ts'

/** Reports what the lines do not show: which actions' output is incomplete. */
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
