// The attackers of a soak, as a process of their own: hostile.ts CACHE SCHEDULER FOLDER. Ends when its input does.
import { randomBytes } from 'node:crypto'
import { runRemotely } from '../../src/client/run.ts'
import { openChannel } from '../../src/wire/channel.ts'
import { hostileActions } from './hostile-actions.ts'
import { wireAttacks } from './wire-attacks.ts'

const [cache = '', scheduler = '', folder = ''] = process.argv.slice(2)
const stopping = new AbortController()
const counts: Record<string, number> = {}
const timeoutMs = 3_000
/** A client that goes away while its action waits or runs: one in so many. */
const cancelledEvery = 4
const cancelAfterMs = 300

process.stdin.on('end', () => stopping.abort())
process.stdin.resume()
await Promise.all([attackWires(), runActions()])
process.stdout.write(`${JSON.stringify(counts)}\n`)
process.exit(0)

async function attackWires(): Promise<void> {
  const attacks = Object.entries(wireAttacks)
  await Promise.all(
    attacks.map(async ([name, attack], at) => {
      for (let round = 0; !stopping.signal.aborted; round += 1) {
        await attack((at + round) % 2 === 0 ? cache : scheduler, stopping.signal).catch(() => undefined)
        counts[name] = (counts[name] ?? 0) + 1
        // A refused connection must not make this a busy loop.
        await new Promise((resolve) => setTimeout(resolve, 500))
      }
    }),
  )
}

async function runActions(): Promise<void> {
  const channels = [openChannel(`grpc://${cache}`), openChannel(`grpc://${scheduler}`)] as const
  for (let round = 0; !stopping.signal.aborted; round += 1) {
    for (const [name, script] of Object.entries(hostileActions)) {
      if (stopping.signal.aborted) break
      const gone = round % cancelledEvery === 0 ? [AbortSignal.timeout(cancelAfterMs)] : []
      const request = {
        argv: ['/bin/sh', '-c', script],
        env: { PATH: '/usr/bin:/bin' },
        inputFolder: folder,
        outputPaths: ['out', 'd', 't', 'link', 'big'],
        properties: [],
        timeoutMs,
        doNotCache: true,
        skipCacheLookup: true,
        salt: randomBytes(8).toString('hex'),
        signal: AbortSignal.any([stopping.signal, ...gone]),
      }
      await runRemotely(...channels, request).catch(() => undefined)
      counts[name] = (counts[name] ?? 0) + 1
    }
  }
  for (const channel of channels) channel.close()
}
