import type { ClusterStatus } from '../cluster/status.ts'
import {
  type CacheCounts,
  type CacheUsage,
  type ChunkedUsage,
  evictedText,
  type PinHolder,
  type PinUsage,
  rateText,
  storedText,
} from '../core/cache-usage.ts'
import { countText } from '../core/count-text.ts'
import { printable } from '../core/printable.ts'
import { loadText } from '../core/scheduler-view.ts'
import { sizeText, spanText } from '../core/units.ts'
import { table } from './table.ts'
import { wrapped } from './wrap.ts'

/** What a cluster's servers hold, how often the cache hit, and their releases. */
export function usageLines(status: ClusterStatus, columns: number): string[] {
  const { cache, workerCaches, sandboxedWorkers, load, servers } = status
  const facts = [
    ['Version', versionsText(status)],
    ...(load ? [['Actions', loadText(load)]] : []),
    ...(cache ? [['Cache', `${storedText(cache)}${entriesText(cache)}`]] : []),
    ...(cache?.chunked && cache.chunked.blobs > 0 ? [['In chunks', chunkedText(cache.chunked)]] : []),
    ...(cache?.pins && matters(cache.pins) ? pinRows(cache.pins) : []),
    ...(workerCaches
      ? [["Workers' caches", `${storedText(workerCaches)} on ${countText(workerCaches.workers, 'worker')}`]]
      : []),
    ...(sandboxedWorkers === null ? [] : [['Sandbox', sandboxText(sandboxedWorkers, servers)]]),
  ]
  const width = Math.max(...facts.map(([what = '']) => what.length))
  const indent = ' '.repeat(width + 2)
  const lines = facts.map(([what = '', text = '']) => what.padEnd(width + 2) + wrapped(text, columns, indent))
  return cache ? [...lines, '', table(heading, rowsOf(cache), columns)] : lines
}

const heading = ['', 'LAST HOUR', 'SINCE START']

function rowsOf({ lastHour, sinceStart }: CacheUsage): string[][] {
  const row = (what: string, text: (counts: CacheCounts) => string) => [what, text(lastHour), text(sinceStart)]
  return [
    row('action results found', ({ actionResults }) => rateText(actionResults)),
    row('executions found', ({ executions }) => rateText(executions)),
    row('blobs that were there', ({ blobs }) => rateText(blobs)),
    row('evicted', ({ evicted }) => evictedText(evicted)),
  ]
}

function entriesText({ entries }: CacheUsage): string {
  return entries === null ? '' : `, ${countText(entries, 'blob or action result', 'blobs and action results')}`
}

function sandboxText(sandboxed: number, servers: ClusterStatus['servers']): string {
  const workers = servers.filter(({ role }) => role === 'worker').length
  return sandboxed === 0
    ? 'none: actions see all that their worker sees'
    : `on ${sandboxed} of ${countText(workers, 'worker')}`
}

function chunkedText({ blobs, bytes, sharedBytes }: ChunkedUsage): string {
  return `${countText(blobs, 'blob')} of ${sizeText(bytes)}, ${sizeText(sharedBytes)} of that shared`
}

/** What is kept for builds is shown once it is this share of what may be. */
const keptShareShown = 0.1
/** More builds than these are only counted. */
const holdersShown = 5

function matters({ bytes, bytesMax, refused }: PinUsage): boolean {
  return refused > 0 || bytes >= bytesMax * keptShareShown
}

/** In all, and below that for each build. */
function pinRows({ bytes, bytesMax, refused, holders }: PinUsage): string[][] {
  const others = holders.length - holdersShown
  const all = `${sizeText(bytes)} of at most ${sizeText(bytesMax)}`
  return [
    ['Kept for builds', refused === 0 ? all : `${all}, ${countText(refused, 'upload')} refused`],
    ...holders.slice(0, holdersShown).map((each) => ['', holderText(each)]),
    ...(others > 0 ? [['', countText(others, 'other build')]] : []),
  ]
}

function holderText({ bytes, invocation, client, silentSeconds }: PinHolder): string {
  const silent = spanText(Math.round(silentSeconds) * 1000)
  return `${sizeText(bytes)} by ${printable(invocation)} (${printable(client)}, silent for ${silent})`
}

function versionsText({ version, servers }: ClusterStatus): string {
  const others = servers.filter((server) => server.version !== null && server.version !== version)
  const said = others.map((server) => `${printable(server.name)} ${server.version}`)
  return [version, ...(said.length === 0 ? [] : [`but ${said.join(', ')}`])].join(', ')
}
