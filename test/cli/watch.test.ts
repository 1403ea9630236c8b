import { PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { ratesBetween } from '../../src/cli/watch/rates.ts'
import { createScreen } from '../../src/cli/watch/screen.ts'
import { type Look, lookLine, rateLines } from '../../src/cli/watch/text.ts'
import { watchCluster } from '../../src/cli/watch/watch.ts'
import type { ClusterStatus } from '../../src/cluster/status.ts'
import type { CacheUsage } from '../../src/core/cache-usage.ts'
import { Failure } from '../../src/core/failure.ts'
import { manualClock } from '../fixture/manual-clock.ts'

const nothing = { hits: 0, misses: 0 }
const cacheOf = (hits: number, misses: number, bytes: number): CacheUsage => {
  const counts = { actionResults: { hits, misses }, executions: nothing, blobs: nothing, evicted: null }
  return {
    ...{ usedBytes: 2048, limitBytes: 4096, entries: 1, evictedUnusedSeconds: null, chunked: null, pins: null },
    ...{
      held: null,
      sinceStart: counts,
      lastHour: counts,
      transferred: { receivedBytes: bytes, sentBytes: 2 * bytes },
    },
  }
}
const statusOf = (ended: number, cache: CacheUsage | null): ClusterStatus => ({
  ...{ name: 'native', driver: 'process', version: '1.0.0', state: 'deployed', servers: [], addresses: null },
  ...{ joined: null, otherWorkers: null },
  ...{ cache, workerCaches: null, sandboxedWorkers: null, problems: [], atLogin: null, keptData: null },
  ...{ joined: null, otherWorkers: null },
  load: { queued: 3, running: 4, workers: 2, slots: 8, sinceStart: { ended, cached: 0 } },
})

describe('rates', () => {
  it('are what has been counted between two looks, a second', () => {
    const [before, after] = [statusOf(10, cacheOf(5, 5, 0)), statusOf(30, cacheOf(20, 10, 4096))]
    expect(ratesBetween(before, after, 2_000)).toEqual({
      ...{ ended: 10, cached: 0, lookups: 10, found: 0.75, receivedBytes: 2048, sentBytes: 4096 },
    })
  })

  it('are not known of what was started anew, does not tell, or did nothing', () => {
    const before = statusOf(10, cacheOf(5, 5, 100))
    expect(ratesBetween(before, statusOf(2, null), 1_000)).toMatchObject({ ended: null, lookups: null, found: null })
    expect(ratesBetween(before, before, 1_000)).toMatchObject({ ended: 0, lookups: 0, found: null })
    expect(ratesBetween(before, { ...before, load: null }, 1_000)).toMatchObject({ ended: null })
    expect(ratesBetween(before, before, 0)).toMatchObject({ ended: null })
  })
})

describe('watching', () => {
  it('goes on while the cluster is gone, and says why it cannot be seen', async () => {
    const ending = new AbortController()
    const clock = manualClock(Date.parse('2026-11-29T08:00:00Z'))
    const answers = [
      () => statusOf(0, cacheOf(0, 0, 0)),
      () => {
        throw new Failure('unavailable', 'nobody is \u001b[2Jthere')
      },
      () => statusOf(7, null),
      () => statusOf(9, null),
    ]
    const looks: Look[] = []
    await watchCluster({
      ask: async () => {
        clock.advance(1_000)
        return (answers.shift() ?? (() => statusOf(0, null)))()
      },
      ...{ intervalMs: 1, clock, signal: ending.signal },
      show: (look) => {
        looks.push(look)
        if (answers.length === 0) ending.abort()
      },
    })
    expect(looks.map(lookLine)).toEqual([
      '2026-11-29T08:00:01Z deployed; 3 waiting, 4 of 8 slots busy on 2 workers; cache 2.0 KiB',
      '2026-11-29T08:00:02Z nobody is ?[2Jthere',
      '2026-11-29T08:00:03Z deployed; 3 waiting, 4 of 8 slots busy on 2 workers',
      '2026-11-29T08:00:04Z deployed; 3 waiting, 4 of 8 slots busy on 2 workers; 2.0 actions/s; lookups/s -',
    ])
    expect(rateLines(looks.at(-1) as Look)).toContain('Blobs            - in, - out')
  })
})

describe('a screen', () => {
  /** Rows of a terminal after what was written; it scrolls, and breaks lines that are too long. */
  function terminal(columns: number, rows: number) {
    const stream = Object.assign(new PassThrough(), { columns, rows }) as unknown as NodeJS.WriteStream & PassThrough
    const lines: string[] = ['']
    let at = 0
    const write = (text: string) => {
      const csi = '\\u001b\\[(\\??[0-9]*)([A-Za-z])'
      for (const [token, count, what] of text.matchAll(new RegExp(`${csi}|\n|[^\\u001b\n]+`, 'g'))) {
        if (what === 'F') at = Math.max(Math.max(0, lines.length - stream.rows), at - Number(count))
        else if (what === 'J') lines.splice(at)
        else if (token === '\n') at += 1
        else if (what === undefined)
          for (let from = 0; from < token.length; from += stream.columns) {
            if (from > 0) at += 1
            lines[at] = token.slice(from, from + stream.columns)
          }
        lines[at] ??= ''
      }
    }
    return { stream, lines, flush: () => write(stream.read()?.toString() ?? '') }
  }

  it('draws over what it has drawn, however many lines it was', () => {
    const { stream, lines, flush } = terminal(40, 10)
    const screen = createScreen(stream)
    for (const drawn of [['one', 'two', 'three'], ['1'], ['a', 'b']]) {
      screen.draw(drawn)
      flush()
      expect(lines).toEqual([...drawn, ''])
    }
    screen.end()
    expect(String(stream.read())).toBe('\u001b[?25h')
  })

  it('keeps to a low and narrow terminal', () => {
    const { stream, lines, flush } = terminal(5, 4)
    const screen = createScreen(stream)
    for (let at = 0; at < 3; at += 1) {
      screen.draw([`${at}23456789`, 'b', 'c', 'd', 'e', 'f'])
      flush()
      expect(lines).toEqual([`${at}2345`, 'b', '...', ''])
    }
  })

  it('cuts colours off with what does not fit, and leaves those that do', () => {
    const { stream } = terminal(5, 10)
    createScreen(stream).draw(['\u001b[32mgood\u001b[39m', '\u001b[32mlonger\u001b[39m'])
    const text = String(stream.read())
    expect(text).toContain('\u001b[32mgood\u001b[39m\u001b[K\n')
    expect(text).toContain('longe\u001b[K\n')
  })
})
