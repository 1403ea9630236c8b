import type { Client } from './events.ts'

/** Calls of a tool that sends no invocation id form one build until a pause of this length, in milliseconds. */
const pauseMsMax = 60_000
const unnamedMax = 1_000

/** Names the builds of clients that send no id. @returns the build to which a client's call belongs */
export function createUnnamedBuilds(): (client: Client, at: number) => string {
  const unnamed = new Map<string, { name: string; lastSeen: number }>()
  return ({ tool, toolVersion, correlated }, at) => {
    const key = JSON.stringify([tool, toolVersion, correlated])
    const known = unnamed.get(key)
    if (known && at - known.lastSeen < pauseMsMax) {
      known.lastSeen = Math.max(known.lastSeen, at)
      return known.name
    }
    if (unnamed.size >= unnamedMax) unnamed.clear()
    const name = `unnamed-${at.toString(36)}-${unnamed.size.toString(36)}`
    unnamed.set(key, { name, lastSeen: at })
    return name
  }
}
