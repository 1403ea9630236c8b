import { type BuildRecord, tookMs } from '../core/build-history.ts'
import { commandText, resultText } from '../core/invocation.ts'
import { shortened } from '../core/printable.ts'
import { sizeText, spanText } from '../core/units.ts'
import { page } from './frame.ts'
import { html } from './html.ts'
import { numberCell, table } from './table.ts'
import { buildPath, moment, numberText, shortId, toolText } from './words.ts'

/** For commands that name many targets. */
const commandCharactersMax = 80

/** The latest builds. @param now milliseconds since 1970 */
export function buildsPage(builds: readonly BuildRecord[], now: number): string {
  if (builds.length === 0)
    return page(
      { title: 'Builds', place: 'builds', top: true, live: true },
      html`<h1>Builds</h1>
<p>No build has been seen yet. <code>native bazelrc</code> prints what Bazel needs to use this cluster, and
<code>native client TOOL</code> the same for other tools; then build something and load this page again.</p>`,
    )
  return page(
    { title: 'Builds', place: 'builds', top: true, live: true },
    html`<h1>Builds</h1>
${table(
  'builds',
  'Builds',
  [
    { name: 'Build' },
    { name: 'When', sorted: 'descending' },
    { name: 'Client' },
    { name: 'Command' },
    { name: 'Result' },
    { name: 'Took', isNumber: true },
    { name: 'Actions', isNumber: true },
    { name: 'Cached', isNumber: true },
    { name: 'Failed', isNumber: true },
    { name: 'Sent', isNumber: true },
    { name: 'Fetched', isNumber: true },
    { name: 'Saved', isNumber: true },
  ],
  builds.map((build) => row(build, now)),
)}`,
  )
}

function row(build: BuildRecord, now: number) {
  const { id, firstSeen, actions, hits, failed, told } = build
  const share = actions === 0 ? undefined : hits / actions
  const failedExit = told?.exit && told.exit.code !== 0 ? html` class="failed"` : undefined
  return html`<tr id="b-${id}"><td><a class="mono" href="${buildPath(id)}">${shortId(id)}</a></td><td data-value="${String(firstSeen)}">${moment(firstSeen, now)}</td>
<td>${toolText(build)}</td><td>${told ? shortened(commandText(told), commandCharactersMax) : '-'}</td>
<td${failedExit}>${told ? resultText(told) : '-'}</td>${numberCell(tookMs(build), spanText(tookMs(build)))}
${numberCell(actions, numberText(actions))}${numberCell(share, `${Math.floor(100 * (share ?? 0))} %`)}
${numberCell(failed || undefined, html`<span class="failed">${numberText(failed)}</span>`)}
${[build.bytesReceived, build.bytesSent, build.bytesSaved].map((bytes) => numberCell(bytes || undefined, sizeText(bytes)))}</tr>`
}
