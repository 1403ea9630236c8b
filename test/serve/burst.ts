// A process with a burst of work behind it, for idle-memory.test.ts: prints what it holds, in MiB, at the start, after the burst and after a collection.
import { processUsage } from '../../src/serve/idle-memory.ts'

const usage = processUsage()
const held = () => Math.round(usage.residentBytes() / 2 ** 20)

const start = held()
// What survives a few collections makes V8 enlarge its young generation; the rounds are calls that come and go.
for (let round = 0; round < 60; round += 1) {
  const calls = Array.from({ length: 200_000 }, (_, at) => ({ at, message: [at] }))
  await new Promise((resolve) => setImmediate(resolve, calls))
}
const busy = held()
usage.collect()
process.stdout.write(JSON.stringify({ start, busy, idle: held() }))
