import { styleText } from 'node:util'
import type { ClusterStatus, LoginStart, ServerStatus } from '../cluster/status.ts'
import { printable } from '../core/printable.ts'
import { table } from './table.ts'
import { columnsFor } from './terminal.ts'
import { usageLines } from './usage.ts'
import { joinedLines, otherLines } from './workers-elsewhere.ts'

const good: ReadonlySet<string> = new Set(['ready', 'up', 'deployed'])

/** Where a status is shown; undefined for text without colours and of any width. */
type Stream = NodeJS.WriteStream | undefined

/** A cluster's status for people. */
export function statusText(status: ClusterStatus, now: number, stream: Stream): string {
  const columns = columnsFor(stream)
  const shown = serversText(status, now, stream)
  const servers = shown === '' ? [] : ['', shown, '', ...usageLines(status, columns)]
  const notes = status.servers.flatMap(({ name, notes }) => notes.map((note) => `- ${name}: ${printable(note, 1_000)}`))
  const noted = notes.length === 0 ? [] : ['', ...notes]
  const problems = status.problems.length === 0 ? [] : ['', ...problemLines(status)]
  const more = otherLines(status.otherWorkers ?? [], columns)
  const lines = [
    ...loginLines(status.atLogin),
    ...keptLines(status.keptData),
    ...joinedLines(status.joined),
    ...servers,
  ]
  return [headText(status, stream), ...lines, ...more, ...noted, ...problems].join('\n')
}

/** The cluster's name, driver and state. */
export function headText({ name, driver, state }: ClusterStatus, stream: Stream): string {
  return `Cluster "${name}" (${driver}): ${coloured(state, stream)}`
}

export function problemLines({ problems }: ClusterStatus): string[] {
  return problems.map((each) => `! ${printable(each)}`)
}

/** The servers, one row each; empty if there are none. */
export function serversText({ servers }: ClusterStatus, now: number, stream: Stream): string {
  const rows = servers.map((server) => row(server, coloured(server.state, stream), now))
  return rows.length === 0 ? '' : table(heading, rows, columnsFor(stream))
}

function coloured(state: string, stream: Stream): string {
  if (!stream) return state
  return styleText(good.has(state) ? 'green' : 'yellow', state, { stream })
}

const loginWords: Readonly<Record<LoginStart['state'], string>> = {
  enabled: 'Comes up when you log in',
  disabled: 'Does not come up when you log in, because its unit is not enabled',
  stale: 'Does not come up here when you log in, because its unit is for another program or other folders',
}

function loginLines(start: LoginStart | null): string[] {
  return start === null ? [] : [`${loginWords[start.state]}: ${printable(start.unit, 1_000)}`]
}

function keptLines(folder: string | null): string[] {
  return folder === null ? [] : [`Kept by down --keep-data: ${printable(folder, 1_000)}`]
}

const heading = ['SERVER', 'STATE', 'ADDRESS', 'METRICS', 'PROCESS', 'RESTARTS', 'UPTIME']

function row(server: ServerStatus, state: string, now: number): string[] {
  const { name, address, metrics, id, restarts, since } = server
  return [
    printable(name),
    state,
    address ?? '-',
    metrics ?? '-',
    printable(id ?? '-'),
    String(restarts),
    since === null ? '-' : age(now - since),
  ]
}

/** `12s`, `5m`, `3h`, `2d`. */
function age(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  if (seconds < 120) return `${seconds}s`
  if (seconds < 120 * 60) return `${Math.floor(seconds / 60)}m`
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)}h`
  return `${Math.floor(seconds / 86_400)}d`
}
