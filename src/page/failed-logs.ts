import type { BuildHistory } from '../core/build-history.ts'
import { type InvocationRecord, isFailedTest, type LogRecord } from '../core/invocation.ts'
import { loggedBytes } from './log.ts'
import { orNothing } from './or-nothing.ts'

/** Of this many failed actions, and of as many failed tests, a build's page shows the logs themselves. */
const shownMax = 3
/** What a client calls the logs that are shown; others, such as test.xml, are for programs. */
const shownNames: ReadonlySet<string> = new Set(['stdout', 'stderr', 'test.log'])

/** The content of logs that the cache has, by their addresses. */
export type FailedLogs = ReadonlyMap<string, Uint8Array>

/** The logs of what failed first; those that the cache lacks, or that it does not answer for, are left out. */
export async function failedLogs(
  history: BuildHistory,
  { failures, testsShown }: Pick<InvocationRecord, 'failures' | 'testsShown'>,
): Promise<FailedLogs> {
  const tests = testsShown.filter(({ status }) => isFailedTest(status)).slice(0, shownMax)
  const logs = [...failures.slice(0, shownMax), ...tests.flatMap(({ attempts }) => attempts.slice(-1))]
    .flatMap((each) => shownLogs(each.logs))
    .map(async ({ uri }) => ({ uri, bytes: await orNothing(loggedBytes(history, uri), 'unavailable') }))
  const read = await Promise.all(logs)
  return new Map(read.flatMap(({ uri, bytes }) => (bytes && bytes.length > 0 ? [[uri, bytes] as const] : [])))
}

export function shownLogs(logs: readonly LogRecord[]): LogRecord[] {
  return logs.filter(({ name }) => shownNames.has(name))
}
