import { propertiesText } from '../core/platform.ts'
import type { OperationView, SchedulerView, WorkerView } from '../core/scheduler-view.ts'
import { page } from './frame.ts'
import { type Html, html } from './html.ts'
import { loadSentence } from './queue.ts'
import { numberCell, table } from './table.ts'
import { numberText, since } from './words.ts'

/** Actions that are named beside their worker. */
const namedMax = 20

/** The workers that are connected, and what each does. @param now milliseconds since 1970 */
export function workersPage(view: SchedulerView, now: number): string {
  const { workers, operations } = view
  const none = html`<p>No worker is connected, so nothing can be executed. <code>native status</code> says how those of this cluster are;
<code>native deploy --workers N</code> starts more of them, and <code>native invite</code> lets another machine join.</p>`
  return page(
    { title: 'Workers', place: 'workers', top: true, live: true },
    html`<h1>Workers</h1>
<p class="lead">${loadSentence(view)}</p>
${workers.length === 0 ? none : workersTable(workers, operations, now)}`,
  )
}

function workersTable(workers: readonly WorkerView[], operations: readonly OperationView[], now: number): Html {
  const theirs = Map.groupBy(operations, ({ worker }) => worker)
  return table(
    'workers',
    'Workers',
    [
      { name: 'Worker' },
      { name: 'State' },
      { name: 'Busy slots', isNumber: true },
      { name: 'Connected', isNumber: true },
      { name: 'Release' },
      { name: 'Runs' },
      { name: 'Offers' },
    ],
    workers.map((worker) => row(worker, theirs.get(worker.name) ?? [], now)),
  )
}

function row(worker: WorkerView, operations: readonly OperationView[], now: number): Html {
  const { name, busy, slots, connectedAt, version, properties } = worker
  return html`<tr id="w-${name}"><td>${name}</td><td>${stateText(worker)}</td>
${numberCell(busy, `${numberText(busy)} of ${numberText(slots)}`)}${numberCell(now - connectedAt, since(connectedAt, now))}
<td>${version}</td><td>${operations.slice(0, namedMax).map(runsMarkup)}${operations.length > namedMax ? ' and more' : ''}</td>
<td class="mono">${propertiesText(properties)}</td></tr>`
}

function runsMarkup({ target, mnemonic, action }: OperationView, at: number): Html {
  const title = [target, mnemonic].filter(Boolean).join(' ') || `action ${action.hash.slice(0, 8)}`
  return html`${at > 0 ? ', ' : ''}<a href="/search?q=${action.hash}">${title}</a>`
}

function stateText({ leaving, busy, slots }: WorkerView): string {
  if (leaving) return 'leaves once its actions are done'
  return busy === 0 ? 'idle' : busy < slots ? 'has free slots' : 'busy'
}
