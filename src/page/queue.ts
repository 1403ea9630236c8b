import { countText } from '../core/count-text.ts'
import { propertiesText } from '../core/platform.ts'
import { loadText, type OperationView, type QueueView, type SchedulerView } from '../core/scheduler-view.ts'
import { page } from './frame.ts'
import { type Html, html } from './html.ts'
import { operationTitle } from './running.ts'
import { numberCell, table } from './table.ts'
import { numberText, shortHash, since } from './words.ts'

/** Actions per list; the scheduler reports the oldest. */
const shownMax = 500

/** What is queued, and why; what is running, and where. @param now milliseconds since 1970 */
export function queuePage(view: SchedulerView, now: number): string {
  const { queues, operations, draining } = view
  const waiting = operations.filter(({ worker }) => worker === '').slice(0, shownMax)
  const running = operations.filter(({ worker }) => worker !== '').slice(0, shownMax)
  const [waitingLeft, runningLeft] = [view.queued - actionsOf(waiting), view.executing - actionsOf(running)]
  return page(
    { title: 'Queue', place: 'queue', top: true, live: true },
    html`<h1>Queue</h1>
<p class="lead">${loadSentence(view)}${draining ? ' The scheduler drains: it takes nothing new.' : ''}</p>
<h2>Why actions wait</h2>
${queues.length === 0 ? html`<p>Nothing waits.</p>` : queuesTable(queues)}
<h2>Waiting</h2>
${waiting.length === 0 ? html`<p>No action waits.</p>` : operationsTable('waiting', 'Waiting actions', waiting, now)}
${waitingLeft > 0 ? html`<p class="soft">${numberText(waitingLeft)} more that began later are not listed.</p>` : undefined}
<h2>Running</h2>
${running.length === 0 ? html`<p>No action runs.</p>` : operationsTable('running', 'Running actions', running, now)}
${runningLeft > 0 ? html`<p class="soft">Not listed: ${countText(runningLeft, 'more slot')}, busy with actions that began later or with second runs.</p>` : undefined}`,
  )
}

/** Several calls may wait for one action, which is queued, or runs, only once. */
function actionsOf(operations: readonly OperationView[]): number {
  return new Set(operations.map(({ action }) => action.hash)).size
}

/** The same words as `native status`. */
export function loadSentence({ queued, executing, workers }: SchedulerView): string {
  const slots = workers.reduce((sum, each) => sum + each.slots, 0)
  return `${upperFirst(loadText({ queued, running: executing, workers: workers.length, slots }))}.`
}

function queuesTable(queues: readonly QueueView[]): Html {
  return table(
    'queues',
    'Why actions wait',
    [{ name: 'Waiting', isNumber: true }, { name: 'Why' }, { name: 'They ask for' }],
    queues.map(
      (each) => html`<tr>${numberCell(each.waiting, numberText(each.waiting))}<td>${whyText(each)}</td>
<td class="mono">${propertiesText(each.properties)}</td></tr>`,
    ),
  )
}

function whyText({ properties, workers, slots }: QueueView): string {
  if (workers === 0)
    return `No worker is connected that offers ${propertiesText(properties)}. They wait for one for a minute, if the scheduler's worker_wait says nothing else.`
  return `All of the ${countText(slots, 'slot')} on ${countText(workers, 'worker')} that could take them are busy. A lower priority value goes first, then who came first.`
}

function operationsTable(id: string, label: string, operations: readonly OperationView[], now: number): Html {
  return table(
    id,
    label,
    [
      { name: 'Action' },
      { name: 'Why' },
      { name: 'Since', isNumber: true },
      { name: 'Priority', isNumber: true },
      { name: 'Client' },
      { name: 'Digest' },
    ],
    operations.map((each) => operationRow(each, now)),
  )
}

function operationRow(operation: OperationView, now: number) {
  const { name, why, createdAt, priority, tool, action } = operation
  return html`<tr id="o-${name}"><td><a href="/running/${action.hash}">${operationTitle(operation)}</a></td><td>${why}</td>
${numberCell(now - createdAt, since(createdAt, now))}${numberCell(priority, numberText(priority))}
<td>${tool || 'unknown client'}</td><td>${shortHash(action.hash)}</td></tr>`
}

function upperFirst(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`
}
