import { styleText } from 'node:util'
import type { ClusterStatus, ServerStatus } from '../cluster/driver.ts'
import { table } from './table.ts'

const good: ReadonlySet<string> = new Set(['ready', 'up', 'deployed'])

/** A cluster's status for people. */
export function statusText(status: ClusterStatus, now: number, stream: NodeJS.WriteStream): string {
  const coloured = (state: string) => styleText(good.has(state) ? 'green' : 'yellow', state, { stream })
  const head = `Cluster "${status.name}" (${status.driver}): ${coloured(status.state)}`
  const rows = status.servers.map((server) => row(server, coloured(server.state), now))
  const servers = rows.length === 0 ? [] : ['', table(heading, rows)]
  const problems = status.problems.length === 0 ? [] : ['', ...status.problems.map((each) => `! ${each}`)]
  return [head, ...servers, ...problems].join('\n')
}

const heading = ['SERVER', 'STATE', 'ADDRESS', 'METRICS', 'PROCESS', 'RESTARTS', 'AGE']

function row(server: ServerStatus, state: string, now: number): string[] {
  const { name, address, metrics, id, restarts, since } = server
  return [
    name,
    state,
    address ?? '-',
    metrics ?? '-',
    id ?? '-',
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
