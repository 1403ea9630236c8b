import { countText } from '../core/count-text.ts'
import {
  commandText,
  type FailureRecord,
  type InvocationRecord,
  isFailedTest,
  type LogRecord,
  resultText,
  type TargetRecord,
  type TestRecord,
} from '../core/invocation.ts'
import { sizeText, spanText } from '../core/units.ts'
import { type FailedLogs, shownLogs } from './failed-logs.ts'
import { type Html, html } from './html.ts'
import { excerptBytesMax, textMarkup } from './printed.ts'
import { table } from './table.ts'
import { terminalMarkup } from './terminal-markup.ts'
import { buildPath, numberText } from './words.ts'

/** What was typed and how it ended, in two lines. */
export function invocationHead(told: InvocationRecord): Html {
  const { exit, started, finished, message } = told
  const failed = exit !== undefined && exit.code !== 0
  const took = started !== undefined && finished !== undefined ? `, ${spanText(Math.max(0, finished - started))}` : ''
  const code = failed ? ` (exit code ${exit.code})` : ''
  return html`<p class="mono">${commandText(told)}</p>
<p class="lead"><span${failed ? html` class="failed"` : undefined}>Result: ${resultText(told)}</span>${code}${took}${counts(told)}</p>
${message ? html`<pre>${message}</pre>` : undefined}`
}

function counts({ targets, targetsFailed, tests, testsFailed }: InvocationRecord): string {
  const counted = (all: number, failed: number, name: string) =>
    all === 0
      ? []
      : [`${numberText(all)} ${name}${all === 1 ? '' : 's'}${failed > 0 ? `, ${numberText(failed)} failed` : ''}`]
  const parts = [...counted(targets, targetsFailed, 'target'), ...counted(tests, testsFailed, 'test')]
  return parts.length > 0 ? `; ${parts.join('; ')}` : ''
}

/** What a build's page shows of failures beside what the client reported. */
export interface Failed {
  /** Logs of the first that failed. */
  readonly logs: FailedLogs
  /** What the servers saw fail; absent if nothing did. */
  readonly seen: Html | undefined
}

/** Failures and tests with their output, which is expanded initially, targets, and what the client printed. */
export function invocationBody(build: string, told: InvocationRecord, { logs, seen }: Failed): Html {
  const { failures, testsShown, targetsShown, leftOut } = told
  const lost = html`<p class="soft">${numberText(leftOut)} events are not shown: they exceed what is kept of a build, or never arrived.</p>`
  return html`${failures.length > 0 ? failuresMarkup(build, failures, logs) : undefined}
${seen}
${testsShown.length > 0 ? testsTable(build, testsShown, told.tests) : undefined}
${testsShown.flatMap((test) => testLogs(test, logs))}
${targetsShown.length > 0 ? targetsTable(targetsShown, told) : undefined}
${told.output === '' ? undefined : output(told)}
${leftOut > 0 ? lost : undefined}`
}

function failuresMarkup(build: string, failures: readonly FailureRecord[], contents: FailedLogs): Html {
  return html`<h2>Failures reported by the client</h2>
${failures.map(
  ({
    row,
    label,
    mnemonic,
    output: path,
    message,
    logs,
  }) => html`<details id="failure-${row}" open><summary>${label} ${mnemonic}</summary>
<p class="mono">${path}</p>${message ? html`<pre>${message}</pre>` : undefined}
${excerpts(logs, contents)}
<p>${logLinks(`${buildPath(build)}/action-log/${row}`, logs, `${label} ${mnemonic}`)}</p></details>`,
)}`
}

/** The ends of logs that are known here, each under its name. */
function excerpts(logs: readonly LogRecord[], contents: FailedLogs): Html {
  const known = shownLogs(logs).flatMap(({ name, uri }) => {
    const bytes = contents.get(uri)
    return bytes ? [html`<p class="soft">${name}</p>${textMarkup(bytes, excerptBytesMax)}`] : []
  })
  return html`${known}`
}

/** What the last attempt of a failed test printed. */
function testLogs({ label, status, attempts }: TestRecord, contents: FailedLogs): Html[] {
  const last = attempts.at(-1)
  if (!last || !isFailedTest(status) || !shownLogs(last.logs).some(({ uri }) => contents.has(uri))) return []
  return [
    html`<details id="test-log-${last.row}" open><summary>${label}, what it printed</summary>${excerpts(last.logs, contents)}</details>`,
  ]
}

function testsTable(build: string, tests: readonly TestRecord[], all: number): Html {
  return html`<h2>Tests</h2>
<div class="wide" tabindex="0" role="region" aria-label="Tests"><table id="tests">
<thead><tr><th scope="col">Test</th><th scope="col">Status</th><th scope="col" class="number">Took</th><th scope="col">Logs</th></tr></thead>
<tbody>${tests.map((test) => testRows(build, test))}</tbody></table></div>
${notAll(tests.length, all)}`
}

/** A row for each attempt; the first one has the test's own status. */
function testRows(build: string, { label, status, attempts }: TestRecord): Html {
  const shownStatus = isFailedTest(status) ? html`<span class="failed">${status}</span>` : html`${status}`
  const [only] = attempts
  if (attempts.length <= 1)
    return html`<tr><td>${label}</td><td>${shownStatus}${only?.cached ? ', cached' : ''}</td><td class="number">${timeText(only?.ms)}</td>
<td>${only ? attemptLinks(build, label, only) : undefined}</td></tr>`
  return html`<tr><td>${label}</td><td>${shownStatus}</td><td></td><td></td></tr>
${attempts.map(
  (each) => html`<tr><td class="soft">run ${each.run}, shard ${each.shard}, attempt ${each.attempt}</td>
<td>${each.status}${each.cached ? ', cached' : ''}</td><td class="number">${timeText(each.ms)}</td><td>${attemptLinks(build, label, each)}</td></tr>`,
)}`
}

function attemptLinks(build: string, label: string, { row, logs, details }: TestRecord['attempts'][number]): Html {
  return html`${logLinks(`${buildPath(build)}/log/${row}`, logs, label)}${details ? html` <span class="soft">${details}</span>` : undefined}`
}

/** Links whose names say what they belong to, also for screen readers. */
function logLinks(path: string, logs: readonly LogRecord[], of: string): Html {
  return html`${logs.map(({ name }, at) => html`${at > 0 ? ', ' : ''}<a href="${path}/${at}" aria-label="${name} of ${of}">${name}</a>`)}`
}

function timeText(ms: number | undefined): string {
  return ms === undefined ? '-' : spanText(ms)
}

function targetsTable(targets: readonly TargetRecord[], told: InvocationRecord): Html {
  const open = told.targetsFailed > 0 ? html` open` : undefined
  return html`<h2>Targets</h2>
<details id="all-targets"${open}><summary>${countText(told.targets, 'target')}, ${told.targetsFailed === 0 ? 'none' : numberText(told.targetsFailed)} failed</summary>
${table('targets', 'Targets', [{ name: 'Target' }, { name: 'Rule' }, { name: 'State' }], targets.map(targetRow))}
${notAll(targets.length, told.targets)}</details>`
}

function targetRow({ label, aspect, kind, state, message }: TargetRecord): Html {
  const name = aspect === '' ? label : `${label} (aspect ${aspect})`
  return html`<tr><td>${name}${message ? html`<br><span class="soft">${message}</span>` : undefined}</td><td>${kind}</td>
<td${state === 'failed' ? html` class="failed"` : undefined}>${state === 'configured' ? 'not reported' : state}</td></tr>`
}

function notAll(shown: number, all: number): Html | undefined {
  return shown < all ? html`<p class="soft">The first ${numberText(shown)} of ${numberText(all)}.</p>` : undefined
}

function output({ output: printed, outputCut, exit }: InvocationRecord): Html {
  const open = exit !== undefined && exit.code !== 0 ? html` open` : undefined
  const cut = outputCut > 0 ? html`<p class="soft">The first ${sizeText(outputCut)} were not kept.</p>` : undefined
  return html`<h2>What it printed</h2>
<details id="output"${open}><summary>Output, ${sizeText(Buffer.byteLength(printed))}</summary>${cut}<pre>${terminalMarkup(printed)}</pre></details>`
}

/** Options and environment: small, at the end. */
export function invocationFacts({ options, allOptions, workspace, profile, cpuMs }: InvocationRecord): Html {
  return html`<dl class="facts">
${workspace ? html`<dt>Workspace</dt><dd class="mono">${workspace}</dd>` : undefined}
${cpuMs === undefined ? undefined : html`<dt>CPU time of the client</dt><dd>${spanText(cpuMs)}</dd>`}
${profile ? html`<dt>Profile</dt><dd class="mono">${profile}</dd>` : undefined}</dl>
${options.length > 0 ? html`<details id="options"><summary>Options on the command line: ${options.length}</summary><pre>${options.join('\n')}</pre></details>` : undefined}
${allOptions.length > 0 ? html`<details id="all-options"><summary>All options in effect: ${allOptions.length}</summary><pre>${allOptions.join('\n')}</pre></details>` : undefined}`
}
