import { constants } from 'node:os'
import { countText } from '../core/count-text.ts'
import { sizeText } from '../core/units.ts'
import { fileLimit, type LimitCounts, type Limits } from './limits/limits.ts'

/** As in a shell: 128 plus the number of the signal. */
const signalCodes = 128
const fileTooLarge = constants.signals.SIGXFSZ

/**
 * Why an action failed, as far as its exit code and limits show, for the message of its response (rule 31 covers the
 * time-out); undefined where they show nothing.
 */
export function endingText(exitCode: number, met: LimitCounts | undefined, limits: Limits): string | undefined {
  if (exitCode === 0) return undefined
  const { memoryBytes, pids, diskBytes } = limits
  const fileBytes = fileLimit(limits)
  if (met?.diskFull && diskBytes !== undefined)
    return `the action wrote more than its limit of ${sizeText(diskBytes)} in all (${sourcesText('disk')}), and was killed for it`
  if (met && memoryBytes !== undefined && wasKilledForMemory(exitCode, met))
    return `the action took more memory than its limit of ${sizeText(memoryBytes)} (${sourcesText('memory')}): ${countText(met.memoryKills, 'process was', 'processes were')} killed`
  if (met && met.pidsRefused > 0 && pids !== undefined)
    return `the action wanted more processes and threads at once than its limit of ${pids} (${sourcesText('pids')}): ${countText(met.pidsRefused, 'was', 'were')} refused`
  if (exitCode === signalCodes + fileTooLarge && fileBytes !== undefined)
    return `the action wrote a file of more than its limit of ${sizeText(fileBytes)} (limits.file or limits.disk of the worker, or the property disk of the action), and was killed for it (SIGXFSZ)`
  const name = Object.entries(constants.signals).find(([, number]) => signalCodes + number === exitCode)?.[0]
  return name && `the action was ended by a signal: exit code ${exitCode} stands for ${name}`
}

/** Did it fail because of its memory limit? If so, it may succeed with a larger one. */
export function wasKilledForMemory(exitCode: number, met: LimitCounts | undefined): boolean {
  return exitCode !== 0 && met !== undefined && met.memoryKills > 0 && !met.diskFull
}

/** The possible sources of a limit; the smaller one counts. */
function sourcesText(name: string): string {
  return `limits.${name} of the worker, or the property ${name} of the action`
}
