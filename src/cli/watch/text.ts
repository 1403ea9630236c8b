import type { ClusterStatus } from '../../cluster/status.ts'
import { printable } from '../../core/printable.ts'
import { loadText } from '../../core/scheduler-view.ts'
import { sizeText } from '../../core/units.ts'
import type { Rates } from './rates.ts'

/** One look at a cluster: its status, or why it is unknown. */
export interface Look {
  /** Milliseconds since 1970. */
  readonly at: number
  readonly status: ClusterStatus | undefined
  readonly error: string | undefined
  /** Null for the first look. */
  readonly rates: Rates | null
}

/** What changes from look to look, one line each, for a terminal. */
export function rateLines({ rates }: Look): string[] {
  if (!rates) return []
  const { ended, cached, receivedBytes, sentBytes } = rates
  return [
    `Actions/s        ${perSecond(ended)} ended by workers, ${perSecond(cached)} answered from the cache`,
    `Lookups/s        ${lookupsText(rates)}`,
    `Blobs            ${bytesText(receivedBytes)} in, ${bytesText(sentBytes)} out`,
  ]
}

/** A look as one line, for a file or a pipe. */
export function lookLine({ at, status, error, rates }: Look): string {
  const time = new Date(at).toISOString().replace(/\.\d+Z$/, 'Z')
  if (!status) return `${time} ${printable(error ?? 'unknown', 500)}`
  const { load, cache, problems, state } = status
  const facts = [
    state,
    ...(load ? [loadText(load)] : []),
    ...(rates && (load || cache) ? [`${perSecond(rates.ended)} actions/s`, `lookups/s ${lookupsText(rates)}`] : []),
    ...(cache?.usedBytes == null ? [] : [`cache ${sizeText(cache.usedBytes)}`]),
    ...problems.slice(0, problemsMax).map((each) => printable(each, 200)),
  ]
  return `${time} ${facts.join('; ')}`
}

const problemsMax = 3

function lookupsText({ lookups, found }: Rates): string {
  return `${perSecond(lookups)}${found === null ? '' : `, ${Math.floor(100 * found)} % found`}`
}

function perSecond(value: number | null): string {
  if (value === null) return '-'
  return value > 0 && value < 10 ? value.toFixed(1) : Math.round(value).toLocaleString('en')
}

function bytesText(value: number | null): string {
  return value === null ? '-' : `${sizeText(Math.round(value))}/s`
}
