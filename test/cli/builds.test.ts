import { expect, test } from 'vitest'
import { buildsText } from '../../src/cli/builds.ts'
import type { BuildRecord } from '../../src/core/build-history.ts'

const now = 1_800_000_000_000

function build(part: Partial<BuildRecord>): BuildRecord {
  return {
    id: '3f2a9c1e-0000-4000-8000-000000000000',
    correlatedId: '',
    tool: 'bazel',
    toolVersion: '7.7.1',
    instance: '',
    firstSeen: now - 600_000,
    lastSeen: now - 568_000,
    actions: 212,
    hits: 211,
    executed: 1,
    local: 0,
    failed: 0,
    missed: 0,
    bytesReceived: 1_536,
    bytesSent: 0,
    bytesSaved: 3_000_000,
    dropped: 0,
    ...part,
  }
}

test('builds are a table, in which 100 % is said of all alone', () => {
  const builds = [build({}), build({ id: 'unnamed-x-0', tool: '', toolVersion: '', actions: 0, hits: 0, failed: 3 })]
  expect(buildsText(builds, now, 120)).toMatchInlineSnapshot(`
    "BUILD        WHEN        CLIENT       TOOK  ACTIONS  CACHED  FAILED  SENT     FETCHED  SAVED
    3f2a9c1e     10 min ago  bazel 7.7.1  32 s  212      99 %    -       1.5 KiB  -        2.9 MiB
    unnamed-x-0  10 min ago  -            32 s  0        -       3       1.5 KiB  -        2.9 MiB"
  `)
})

test('what clients told has columns of its own, where any client told something', () => {
  const told = { patterns: ['//app/...'], targets: 3, targetsFailed: 0, tests: 2, testsFailed: 1 }
  const failed = build({
    told: { ...told, command: 'test', started: now - 5_000, finished: now, exit: { code: 3, name: 'TESTS_FAILED' } },
  })
  const running = build({ id: 'b', told: { ...told, command: 'build' } })
  expect(buildsText([failed, running, build({ id: 'c' })], now, 120)).toMatchInlineSnapshot(`
    "BUILD     WHEN        CLIENT       COMMAND          RESULT        TOOK  ACTIONS  CACHED  FAILED  SAVED
    3f2a9c1e  10 min ago  bazel 7.7.1  test //app/...   tests failed  5 s   212      99 %    -       2.9 MiB
    b         10 min ago  bazel 7.7.1  build //app/...  not finished  32 s  212      99 %    -       2.9 MiB
    c         10 min ago  bazel 7.7.1  -                -             32 s  212      99 %    -       2.9 MiB"
  `)
})

test('on 80 columns, what most builds of one client have is a table', () => {
  expect(buildsText([build({ bytesSent: 2_000 })], now, 80)).toMatchInlineSnapshot(`
    "BUILD     WHEN        CLIENT       TOOK  ACTIONS  CACHED  FAILED  SAVED
    3f2a9c1e  10 min ago  bazel 7.7.1  32 s  212      99 %    -       2.9 MiB"
  `)
})

test('on a narrow terminal each build is a paragraph', () => {
  expect(buildsText([build({})], now, 40)).toMatchInlineSnapshot(`
    "3f2a9c1e
      when     10 min ago
      client   bazel 7.7.1
      took     32 s
      actions  212
      cached   99 %
      saved    2.9 MiB"
  `)
})

test('a build of which something was lost is marked, and what that means is said', () => {
  const text = buildsText([build({ dropped: 5 })], now, 120)
  expect(text).toMatch(/^3f2a9c1e\* /m)
  expect(text).toMatch(/^\* The servers could not tell all/m)
})

test('what a client calls itself cannot write to the terminal', () => {
  expect(buildsText([build({ tool: '\u001b[31mred', id: '\u001b]0;x' })], now, 120)).not.toContain('\u001b')
})

test('nothing is said to have been seen where nothing was', () => {
  expect(buildsText([], now, 80)).toBe('No build has been seen yet.')
})
