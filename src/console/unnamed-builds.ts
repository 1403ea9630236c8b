import type { Client } from './events.ts'

/** Calls of a tool that names no invocation are one build until it pauses for so long, in milliseconds. */
const pauseMsMax = 60_000
const unnamedMax = 1_000

/** Names the builds of clients that give them none. @returns the name of the one to which a call of a client belongs */
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
