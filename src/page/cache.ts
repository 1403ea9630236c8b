import type { BuildRecord, LookupAnswer } from '../core/build-history.ts'
import {
  type CacheUsage,
  evictedText,
  type HeldAge,
  type HeldBytes,
  type HeldKind,
  heldAges,
  heldKinds,
  rateText,
  storedText,
} from '../core/cache-usage.ts'
import { countText } from '../core/count-text.ts'
import { sizeText, spanText } from '../core/units.ts'
import { page } from './frame.ts'
import { type Html, html } from './html.ts'
import { numberCell, table } from './table.ts'
import { numberText } from './words.ts'

/** The data for the cache's page. */
export interface CacheFacts {
  /** The cache's own report; undefined if it does not answer, or no address is configured. */
  readonly usage: CacheUsage | undefined
  /** The newest builds. */
  readonly builds: readonly BuildRecord[]
  /** The cache's answers in the newest of them. */
  readonly answers: ReadonlyMap<LookupAnswer, number>
  /** The number of builds in `answers`, at most. */
  readonly answersOf: number
}

const hourMs = 3_600_000
const dayMs = 24 * hourMs
const hoursShown = 24
const daysShown = 30

/**
 * What the cache holds, what it evicted, and how often it had what builds asked for. @param now milliseconds since 1970
 */
export function cachePage({ usage, builds, answers, answersOf }: CacheFacts, now: number): string {
  return page(
    { title: 'Cache', place: 'cache', top: true, live: true },
    html`<h1>Cache</h1>
${usage ? usageMarkup(usage) : notTold}
<h2>What builds met</h2>
<p class="soft">The first answer to each action of the last ${countText(Math.min(answersOf, builds.length), 'build')}.</p>
${answers.size === 0 ? html`<p>No build has asked the cache for a result.</p>` : answersTable(answers)}
<h2>Found, by hour</h2>
${overTime('hours', builds, hourMs, hoursShown, now)}
<h2>Found, by day</h2>
${overTime('days', builds, dayMs, daysShown, now)}`,
  )
}

const notTold = html`<p>How large the cache is and what it gave up is not known here: the cache does not answer, or this console was
not told where its metrics are (<code>cas_metrics</code> in its configuration). <code>native status</code> asks the cache itself.</p>`

function usageMarkup(usage: CacheUsage): Html {
  const { entries, lastHour, sinceStart, chunked, transferred } = usage
  const lead = entries === null ? '' : `, ${countText(entries, 'blob or action result', 'blobs and action results')}`
  const rows = [
    ['Action results found', rateText(lastHour.actionResults), rateText(sinceStart.actionResults)],
    ['Executions found', rateText(lastHour.executions), rateText(sinceStart.executions)],
    ['Blobs that were there', rateText(lastHour.blobs), rateText(sinceStart.blobs)],
    ['Evicted', evictedText(lastHour.evicted), evictedText(sinceStart.evicted)],
  ]
  return html`<p class="lead">${storedText(usage)}${lead}.</p>
<p>${ageText(usage)}</p>
${table(
  'usage',
  'Lookups and evictions',
  [{ name: 'What' }, { name: 'Last hour' }, { name: 'Since it started' }],
  rows.map(([what, hour, start]) => html`<tr><td>${what}</td><td>${hour}</td><td>${start}</td></tr>`),
)}
${chunked && chunked.blobs > 0 ? html`<p>In chunks: ${countText(chunked.blobs, 'blob')} of ${sizeText(chunked.bytes)}, ${sizeText(chunked.sharedBytes)} of that shared.</p>` : undefined}
${transferred ? html`<p>Since it started, it has received ${sizeText(transferred.receivedBytes)} of blobs and sent ${sizeText(transferred.sentBytes)}.</p>` : undefined}
${usage.held ? heldTable(usage.held) : undefined}`
}

const kindTexts: Readonly<Record<HeldKind, string>> = {
  small_blob: 'Small blobs',
  large_blob: 'Large blobs',
  action_result: 'Action results',
}

const ageTexts: Readonly<Record<HeldAge, string>> = {
  hour: 'Last hour',
  day: 'Last day',
  week: 'Last week',
  older: 'Before',
}

function heldTable(held: readonly HeldBytes[]): Html {
  const sum = (of: (each: HeldBytes) => boolean) => held.filter(of).reduce((bytes, each) => bytes + each.bytes, 0)
  const cell = (bytes: number) => numberCell(bytes || undefined, sizeText(bytes))
  return html`<h2>What is in it, by when it was written</h2>
${table(
  'held',
  'What is in it',
  [
    { name: 'Kind' },
    ...heldAges.map((age) => ({ name: ageTexts[age], isNumber: true })),
    { name: 'All', isNumber: true },
  ],
  heldKinds.map(
    (kind) => html`<tr id="held-${kind}"><td>${kindTexts[kind]}</td>
${heldAges.map((age) => cell(sum((each) => each.kind === kind && each.age === age)))}${cell(sum((each) => each.kind === kind))}</tr>`,
  ),
)}`
}

function ageText({ evictedUnusedSeconds, lastHour: { evicted } }: CacheUsage): string {
  if (evictedUnusedSeconds !== null)
    return `The cache is too small for these builds: something was evicted that had been used only ${spanText(evictedUnusedSeconds * 1000)} before. Run native deploy --cache-size SIZE to make it larger.`
  if (!evicted || evicted.count === 0) return 'Nothing was evicted in the last hour.'
  return 'What was evicted in the last hour had not been used for an hour or longer.'
}

const answerTexts: Readonly<Record<LookupAnswer, string>> = {
  hit: 'found',
  absent: 'no result: never seen, or the action is another one than before',
  evicted: 'the result was evicted',
  incomplete: 'the result was there, but one of its outputs was evicted',
  unauthorized: 'the client may not ask',
}

function answersTable(answers: CacheFacts['answers']): Html {
  const all = [...answers.values()].reduce((sum, each) => sum + each, 0)
  return table(
    'answers',
    'Answers',
    [{ name: 'Answer' }, { name: 'Actions', isNumber: true }, { name: 'Share', isNumber: true }],
    [...answers].map(
      ([answer, count]) =>
        html`<tr><td>${answerTexts[answer]}</td>${numberCell(count, numberText(count))}${numberCell(count / all, percentText(count / all))}</tr>`,
    ),
  )
}

interface Span {
  readonly from: number
  readonly builds: readonly BuildRecord[]
}

function overTime(id: string, builds: readonly BuildRecord[], ms: number, shown: number, now: number): Html {
  const first = (Math.floor(now / ms) - shown + 1) * ms
  const groups = Map.groupBy(
    builds.filter((build) => build.firstSeen >= first && build.actions > 0),
    (build) => Math.floor(build.firstSeen / ms) * ms,
  )
  const spans = [...groups].map(([from, its]): Span => ({ from, builds: its })).sort((a, b) => b.from - a.from)
  if (spans.length === 0) return html`<p class="soft">No build asked for an action in this period.</p>`
  return table(
    id,
    `What was found, by ${id === 'hours' ? 'hour' : 'day'}`,
    [
      { name: id === 'hours' ? 'Hour (UTC)' : 'Day (UTC)', sorted: 'descending' },
      { name: 'Builds', isNumber: true },
      { name: 'Actions', isNumber: true },
      { name: 'Found', isNumber: true },
      { name: 'Sent to it', isNumber: true },
      { name: 'Fetched from it', isNumber: true },
    ],
    spans.map((span) => spanRow(span, ms)),
  )
}

function spanRow({ from, builds }: Span, ms: number): Html {
  const sum = (of: (build: BuildRecord) => number) => builds.reduce((total, build) => total + of(build), 0)
  const actions = sum((build) => build.actions)
  const rate = sum((build) => build.hits) / actions
  const [received, sent] = [sum((build) => build.bytesReceived), sum((build) => build.bytesSent)]
  const text = new Date(from).toISOString()
  const name = ms === dayMs ? text.slice(0, 10) : text.slice(0, 16).replace('T', ' ')
  const bar = html`<svg class="rate" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true"><rect class="cached" x="0" y="0" width="${(100 * rate).toFixed(1)}" height="8"/></svg>`
  return html`<tr id="${ms === dayMs ? 'day' : 'hour'}-${from}"><td data-value="${String(from)}">${name}</td>${numberCell(builds.length, numberText(builds.length))}
${numberCell(actions, numberText(actions))}${numberCell(rate, html`${percentText(rate)} ${bar}`)}
${numberCell(received, sizeText(received))}${numberCell(sent, sizeText(sent))}</tr>`
}

/** Never 100 % if there was a miss. */
function percentText(share: number): string {
  return `${share === 1 ? 100 : Math.min(99, Math.floor(100 * share))} %`
}
