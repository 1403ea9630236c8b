import type { ActionRecord } from '../core/build-history.ts'
import { sizeText, spanText } from '../core/units.ts'
import type { re } from '../wire/proto.ts'
import { type ResourceUsage, usageIn } from '../wire/resource-usage.ts'
import { type Html, html } from './html.ts'

/** Two times of Linux, each exact to 10 ms. */
const littleMs = 20

/** A sentence on what an action used, according to its result; undefined if that does not say. */
export function usedMarkup(action: Pick<ActionRecord, 'times'>, result: re.ActionResult): Html | undefined {
  const used = usedText(usageIn(result))
  return used ? html`<p>${isOf(action, result) ? 'It' : 'The run that made its result'} used ${used}.</p>` : undefined
}

function usedText({ userMs, systemMs, peakMemoryBytes }: ResourceUsage): string {
  const processorMs = userMs === undefined || systemMs === undefined ? undefined : userMs + systemMs
  const processors =
    processorMs !== undefined &&
    `${processorMs < littleMs ? 'hardly any' : `${spanText(processorMs)} of`} processor time`
  const memory = peakMemoryBytes !== undefined && `at most ${sizeText(peakMemoryBytes)} of memory`
  return [processors, memory].filter(Boolean).join(' and ')
}

/** Is a result of this very run? The cache has the latest, and answers others with it, too. */
function isOf({ times }: Pick<ActionRecord, 'times'>, { executionMetadata }: re.ActionResult): boolean {
  const { seconds, nanos } = executionMetadata?.executionStartTimestamp ?? {}
  // Any client may write results, so this need not be a time.
  return times.runStart === Math.round((seconds ?? 0) * 1000 + (nanos ?? 0) / 1e6)
}
