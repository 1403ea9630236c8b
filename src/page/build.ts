import { type ActionRecord, type BuildRecord, tookMs } from '../core/build-history.ts'
import type { InvocationRecord } from '../core/invocation.ts'
import { sizeText, spanText } from '../core/units.ts'
import type { Explanation } from '../explain/build.ts'
import type { CriticalPath } from '../explain/critical-path.ts'
import { freshMs } from '../explain/heard.ts'
import { summaryText } from '../explain/sentences.ts'
import { actionsTable } from './actions.ts'
import { causesTable } from './causes.ts'
import { criticalSteps } from './critical.ts'
import type { FailedLogs } from './failed-logs.ts'
import { page } from './frame.ts'
import { type Html, html } from './html.ts'
import { invocationBody, invocationFacts, invocationHead } from './invocation.ts'
import { mnemonicsTable } from './mnemonics.ts'
import { lengthOf, phases } from './phases.ts'
import { timeline } from './timeline.ts'
import { wallBar } from './wall-time.ts'
import { buildPath, moment, shortId, toolText } from './words.ts'

const slowestShown = 20
const failuresShown = 50
/** A build heard of this recently may still be running, or receive more events; after an hour of silence it is over. */
export const quietMs = 10_000
const overMs = 3_600_000

/** The data for a build's page. */
export interface BuildFacts {
  readonly build: BuildRecord
  /** May be slightly older than the build's state; undefined if there is none yet. */
  readonly explanation: Explanation | undefined
  /** Is a newer one being made? */
  readonly isLate: boolean
  /** Will the explanation stay as it is? */
  readonly isFinal: boolean
  /** Those considered. */
  readonly actions: readonly ActionRecord[]
  /** Of these actions. */
  readonly critical: CriticalPath
  /** What its client reported about it. */
  readonly told: InvocationRecord | undefined
  /** Of the first that failed. */
  readonly logs: FailedLogs
  /** The build that the reader compares with, by its full id. */
  readonly against: string | undefined
}

/** What decides whether a build is followed. */
interface Followed {
  readonly build: BuildRecord
  readonly isFinal: boolean
  readonly told?: Pick<InvocationRecord, 'complete'> | undefined
}

/** Is more to come, so that its page follows it? @param now milliseconds since 1970 */
export function isLive({ build, isFinal, told }: Followed, now: number): boolean {
  const over = told?.complete || build.told?.finished !== undefined
  const age = now - build.lastSeen
  return age < (over ? quietMs : overMs) || (!isFinal && age < freshMs)
}

/**
 * One build: a one-sentence summary, why it missed, where its time went, what failed. @param now milliseconds since
 * 1970
 */
export function buildPage(of: BuildFacts, now: number): string {
  const { build, actions, told, against } = of
  const explanation = of.explanation ?? countsOf(build)
  const title = `Build ${shortId(build.id)}`
  const over = told !== undefined && (told.complete || told.finished !== undefined)
  const running =
    !over && now - build.lastSeen < quietMs
      ? html` <span class="unscripted">It may still be running: reload the page to see more.</span>`
      : undefined
  const failed = actions.filter(({ outcome }) => outcome === 'failed').slice(0, failuresShown)
  const seen = failed.length > 0 ? failures(failed) : undefined
  return page(
    { title, place: 'builds', live: of.isLate || isLive(of, now) },
    html`<h1>${title}</h1>
<p class="soft">${toolText(build)}, ${moment(build.firstSeen, now)}, ${spanText(tookMs(build))}.${running}</p>
${told && invocationHead(told)}
${explanation.actions > 0 ? html`<p class="lead">${summaryText(explanation)}</p>` : undefined}
<h2>Why actions were not cached</h2>
${against === undefined ? undefined : html`<p>Compared with build <a href="${buildPath(against)}">${shortId(against)}</a> alone. <a href="${buildPath(build.id)}">Compare with the latest of each action</a></p>`}
${of.explanation ? causesTable(explanation, now) : causesToCome}
${explanation.actions > explanation.hits ? againstForm(build, against) : undefined}
<h2>Where the time went</h2>
${wallBar(build, of.critical, actions)}
${criticalSteps(build, of.critical)}
${timeline(actions, `${buildPath(build.id)}/timeline.json`)}
<div class="after">
${told ? invocationBody(build.id, told, { logs: of.logs, seen }) : seen}
<h2>By mnemonic</h2>
${mnemonicsTable(actions)}
<h2>Slowest</h2>
${slowest(actions)}
<p><a href="${buildPath(build.id)}/actions">All actions</a></p>
<h2>Facts</h2>
${facts(build)}
${told && invocationFacts(told)}
</div>`,
  )
}

/** For as long as there is no explanation. */
function countsOf(build: BuildRecord): Explanation {
  const { actions, hits } = build
  return { build, actions, hits, causes: [], more: { causes: 0, actions: 0 }, unread: 0, cut: 0 }
}

const causesToCome = html`<p role="status">The causes are being looked for.<span class="unscripted"> Reload the page to see them.</span></p>`

function againstForm({ id }: BuildRecord, against = ''): Html {
  return html`<form class="inline" action="${buildPath(id)}" method="get">
<label class="shown" for="against">Compare with build</label> <input id="against" name="against" value="${against}" placeholder="the beginning of its ID" required>
<button>Compare</button></form>`
}

function failures(failed: readonly ActionRecord[]): Html {
  return html`<h2>Failures seen by the servers</h2>
${actionsTable('failed', failed, 'Failed actions')}
${failed.filter(({ message }) => message !== '').map(({ message }) => html`<pre>${message}</pre>`)}`
}

function slowest(actions: readonly ActionRecord[]): Html {
  const run = phases[2]
  const ran = actions.filter(({ times }) => lengthOf(run, times) > 0)
  const sorted = ran.toSorted((one, other) => lengthOf(run, other.times) - lengthOf(run, one.times))
  if (sorted.length === 0) return html`<p class="soft">No worker ran any of these actions.</p>`
  return actionsTable('slowest', sorted.slice(0, slowestShown), 'Slowest actions')
}

function facts(build: BuildRecord): Html {
  const { id, correlatedId, instance, bytesReceived, bytesSent, bytesSaved, dropped, firstSeen } = build
  const lost = html`<dt>Not recorded</dt><dd>${dropped} events were lost, so the numbers of this build are too low.</dd>`
  return html`<dl class="facts"><dt>Invocation</dt><dd class="mono" data-copy>${id}</dd>
${correlatedId ? html`<dt>Correlated</dt><dd class="mono" data-copy>${correlatedId}</dd>` : undefined}
<dt>Instance</dt><dd>${instance || 'the default one'}</dd>
<dt>Began</dt><dd>${new Date(firstSeen).toISOString()}</dd>
<dt>Sent by the client</dt><dd>${sizeText(bytesReceived)}</dd>
<dt>Fetched by the client</dt><dd>${sizeText(bytesSent)}</dd>
<dt>Not sent, being there</dt><dd>${sizeText(bytesSaved)}</dd>
${dropped > 0 ? lost : undefined}</dl>`
}
