import type { ActionRecord } from '../core/build-history.ts'
import { digestText } from '../core/digest.ts'
import type { OperationView } from '../core/scheduler-view.ts'
import { shellQuoted } from '../core/shell-word.ts'
import { spanText } from '../core/units.ts'
import type { Explanation } from '../explain/build.ts'
import type { LoadedAction } from '../explain/compare.ts'
import { shownArgument, shownValue } from '../explain/secrets.ts'
import type { re } from '../wire/proto.ts'
import { ranMs, ranText } from './actions.ts'
import { causesTable } from './causes.ts'
import { page } from './frame.ts'
import { type Html, html } from './html.ts'
import { phaseBar } from './phases.ts'
import { printedMarkup } from './printed.ts'
import { numberCell, table } from './table.ts'
import { treePath } from './tree-page.ts'
import { usedMarkup } from './used.ts'
import { actionPath, actionTitle, buildPath, moment, outcomeText, shortHash, shortId } from './words.ts'

/** The data for an action's page. */
export interface ActionFacts {
  readonly action: ActionRecord
  /** Why it was not cached; absent if it was. */
  readonly explanation: Explanation | undefined
  /** Absent when neither the history nor the cache has it. */
  readonly loaded: LoadedAction | undefined
  /** Earlier runs of the same action, newest first. */
  readonly earlier: readonly ActionRecord[]
  /** Absent when the cache has none. */
  readonly result: re.ActionResult | undefined
  /** What the scheduler is doing with it; absent if nothing. */
  readonly operation: OperationView | undefined
}

/** One action: what it ran, on which inputs, the outcome, and earlier runs. @param now milliseconds since 1970 */
export function actionPage(
  { action, explanation, loaded, earlier, result, operation }: ActionFacts,
  now: number,
): string {
  const title = actionTitle(action)
  return page(
    { title, place: 'builds', live: action.outcome === 'missed' },
    html`<h1>${title}</h1>
<p class="soft">Of build <a href="${buildPath(action.build)}">${shortId(action.build)}</a>, ${moment(action.firstSeen, now)}.</p>
<p class="lead">${sentence(action)}</p>
${operation ? html`<p>Right now it ${operation.why}. <a href="/running/${action.digest.hash}">What it prints</a></p>` : undefined}
${action.message ? html`<pre>${action.message}</pre>` : undefined}
${explanation ? html`<h2>Why it was not cached</h2>${causesTable(explanation, now)}` : undefined}
${loaded?.command ? commandMarkup(loaded.command) : html`<h2>Command</h2><p>Neither the history nor the cache has it.</p>`}
${result ? printedMarkup(result) : undefined}
<h2>Inputs and outputs</h2>
${filesMarkup(action, result)}
<h2>Where the time went</h2>
${phaseBar([action])}
${result ? usedMarkup(action, result) : undefined}
<h2>Facts</h2>
${facts(action, loaded)}
<h2>Earlier runs</h2>
${earlier.length > 0 ? earlierTable(action, earlier, now) : html`<p class="soft">No earlier run of it is known.</p>`}
<form class="inline" action="${actionPath(action)}/compare" method="get">
<label class="shown" for="with">Compare with</label> <input id="with" name="with" placeholder="digest, target or output path" required>
<button>Compare</button></form>`,
  )
}

function sentence(action: ActionRecord): string {
  const { worker, attempts } = action
  const where = worker ? ` by ${worker}` : ''
  const again = attempts > 1 ? `, at attempt ${attempts}` : ''
  const text = `${outcomeText(action)}${where}${again}`
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`
}

type Command = NonNullable<LoadedAction['command']>

function commandMarkup({ arguments: args, environmentVariables, workingDirectory, platform }: Command): Html {
  const words = (args ?? []).map((each, at) => quoted(shownArgument(each, args?.[at - 1])))
  const variables = (environmentVariables ?? []).map(({ name, value }) => ({
    name: name ?? '',
    value: shownValue(name ?? '', value ?? ''),
  }))
  const properties = (platform?.properties ?? []).map(({ name, value }) => ({ name: name ?? '', value: value ?? '' }))
  return html`<h2>Command</h2>
<pre data-copy>${words.join(' \\\n  ')}</pre>
${workingDirectory ? html`<p>Run in the folder <code>${workingDirectory}</code> of the input tree.</p>` : undefined}
${variables.length > 0 ? html`<h2>Environment</h2>${pairs(variables)}` : undefined}
${properties.length > 0 ? html`<h2>Platform</h2>${pairs(properties)}` : undefined}`
}

function pairs(all: readonly { readonly name: string; readonly value: string }[]): Html {
  return html`<dl class="facts mono">${all.map(({ name, value }) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>`
}

/** An argument quoted for a shell. */
function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : shellQuoted(text)
}

function facts(action: ActionRecord, loaded: LoadedAction | undefined): Html {
  const { digest, command, inputRoot, firstOutput, configuration, lookup } = action
  const root = loaded?.rootDigest ?? inputRoot
  return html`<dl class="facts"><dt>Action</dt><dd class="mono" data-copy>${digestText(digest)}</dd>
${command ? html`<dt>Command</dt><dd class="mono" data-copy>${digestText(command)}</dd>` : undefined}
${root ? html`<dt>Input root</dt><dd class="mono" data-copy>${digestText(root)}</dd>` : undefined}
${firstOutput ? html`<dt>First output</dt><dd class="mono" data-copy>${firstOutput}</dd>` : undefined}
${configuration ? html`<dt>Configuration</dt><dd class="mono">${configuration}</dd>` : undefined}
<dt>The cache said</dt><dd>${lookup ? lookupText(lookup) : 'it was not asked'}</dd></dl>
`
}

function lookupText({ answer, evictedMs }: NonNullable<ActionRecord['lookup']>): string {
  const texts = {
    hit: 'it had the result',
    absent: 'there is no result',
    evicted: 'the result was evicted',
    incomplete: 'it had the result, but not all of its outputs',
    unauthorized: 'this client may not ask',
  } as const
  return evictedMs === undefined ? texts[answer] : `${texts[answer]}, ${spanText(evictedMs)} before`
}

/** Links to its inputs and outputs, as far as they are available. */
function filesMarkup(action: ActionRecord, result: re.ActionResult | undefined): Html {
  const inputs = action.inputRoot
    ? html`<a href="${treePath(action, 'inputs', [])}">Browse its inputs</a>`
    : html`Its inputs are not known: the Action was not in the cache when it was looked for.`
  const outputs = result
    ? html`<a href="${treePath(action, 'outputs', [])}">Browse its outputs</a>`
    : html`The cache has no result of it${action.outcome === 'failed' ? ', since results of actions that failed are not kept' : ''}.`
  return html`<p>${inputs}</p><p>${outputs}</p>`
}

function earlierTable(action: ActionRecord, earlier: readonly ActionRecord[], now: number): Html {
  return table(
    'earlier',
    'Earlier runs',
    [
      { name: 'Build' },
      { name: 'When', sorted: 'descending' },
      { name: 'Outcome' },
      { name: 'Ran', isNumber: true },
      { name: 'Digest' },
      { name: 'Differences' },
    ],
    earlier.map(
      (
        each,
      ) => html`<tr id="e-${each.row}"><td><a class="mono" href="${actionPath(each)}">${shortId(each.build)}</a></td>
<td data-value="${String(each.firstSeen)}">${moment(each.firstSeen, now)}</td><td>${outcomeText(each)}</td>
${numberCell(ranMs(each), ranText(each))}<td>${shortHash(each.digest.hash)}</td><td>${differencesLink(action, each)}</td></tr>`,
    ),
  )
}

function differencesLink(action: ActionRecord, { digest, build }: ActionRecord): Html {
  if (digest.hash === action.digest.hash) return html`the same action`
  return html`<a href="${actionPath(action)}/compare?with=${digest.hash}" aria-label="Compare with that of build ${shortId(build)}">compare</a>`
}
