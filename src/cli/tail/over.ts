import type { RunEvent } from '../../client/run-output.ts'
import type { BuildHistory, BuildRecord } from '../../core/build-history.ts'
import { RpcError } from '../../wire/rpc.ts'

/** Knows when the builds that are being followed are over. */
export interface Endings {
  /** Called with what is in flight, and for each run that begins: a short one may end before it is counted. */
  note(event: RunEvent, now: number): void
  /** A build with nothing in flight now, which is not over. */
  expect(build: string, lastSeen: number): void
  /** Are all builds that have been seen over? */
  areOver(now: number): Promise<boolean>
}

/** A client that does not report the end of its builds may be busy otherwise for this long between two actions. */
const quietMsMax = 10_000
/** One that does report it will, unless it was killed. */
const toldQuietMsMax = 10 * 60_000
/** How often the console is queried while nothing is in flight. */
const askEveryMs = 1_000
const buildsMax = 1_000

/** Has a build with nothing in flight ended? A guess, if its client does not report it. */
export function isLikelyOver(build: BuildRecord, now: number): boolean {
  return now - build.lastSeen >= patienceMs(build)
}

/** For how long a build may be silent and still count as running. */
function patienceMs(build: BuildRecord | undefined): number {
  if (build?.told?.finished !== undefined) return 0
  return build?.told?.started === undefined ? quietMsMax : toldQuietMsMax
}

/** @param history the console's; without one, only what is in flight is known */
export function createEndings(history: BuildHistory | undefined): Endings {
  const builds = new Set<string>()
  let busyAt: number | undefined
  let operations = 0
  let askedAt = 0

  async function patienceMsOf(id: string): Promise<number> {
    if (!history || id === '') return quietMsMax
    try {
      const [build] = await history.builds({ limit: 1, idPrefix: id })
      return patienceMs(build)
    } catch (error) {
      // A console that is unreachable for a moment is no reason to end.
      if (error instanceof RpcError) return toldQuietMsMax
      throw error
    }
  }

  function saw(invocations: readonly string[], now: number): void {
    for (const each of invocations) if (builds.size < buildsMax) builds.add(each)
    busyAt = now
  }

  return {
    note(event, now) {
      if (event.kind === 'begun') saw([event.invocation], now)
      if (event.kind !== 'flight') return
      if (event.operations > 0 || operations > 0) saw(event.invocations, now)
      operations = event.operations
    },
    expect(build, lastSeen) {
      builds.add(build)
      busyAt = lastSeen
    },
    async areOver(now) {
      if (operations > 0 || busyAt === undefined || now - askedAt < askEveryMs) return false
      askedAt = now
      const quietMs = now - busyAt
      for (const id of builds) if (quietMs < (await patienceMsOf(id))) return false
      return true
    },
  }
}
