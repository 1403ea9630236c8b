import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { besService } from '../../src/console/bes/service.ts'
import { openHistory } from '../../src/console/history.ts'
import { systemClock } from '../../src/core/clock.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { openDirectChannel } from '../../src/wire/direct.ts'
import { bes } from '../../src/wire/proto.ts'
import { listen } from '../../src/wire/server.ts'
import { finished, printed, requestOf, type Sent, started, target } from '../console/bes-client.ts'
import { quietLog } from '../fixture/quiet-log.ts'

/**
 * Events of a build tool that a console keeps and acknowledges in a second, over a connection on this machine:
 *
 *     node test/bench/bes.ts [--events 20000] [--rounds 3]
 */
const { values } = parseArgs({
  options: { events: { type: 'string', default: '20000' }, rounds: { type: 'string', default: '3' } },
})
const count = Number(values.events)
const say = (text: string) => process.stdout.write(`${text}\n`)

const folder = await mkdtemp(join(tmpdir(), 'native-bes-bench-'))
const history = openHistory({
  path: join(folder, 'history.db'),
  bounds: { bytesMax: 4e9, ageMsMax: 1e12 },
  clock: systemClock,
  log: quietLog,
})
const service = besService({ history, clock: systemClock, metrics: createMetrics() })
const server = await listen([service], { address: '127.0.0.1:0', log: quietLog })
const channel = openDirectChannel(`grpc://${server.address}`)
try {
  for (let round = 1; round <= Number(values.rounds); round += 1) {
    const began = performance.now()
    const acknowledged = await tellBuild(`build-${round}`)
    const seconds = (performance.now() - began) / 1000
    if (acknowledged !== count) throw new Error(`${acknowledged} of ${count} events were acknowledged`)
    say(`${count} events in ${seconds.toFixed(2)} s: ${Math.round(count / seconds)} a second`)
  }
} finally {
  channel.close()
  await server.close()
  history.close()
  await rm(folder, { recursive: true })
}

/** @returns how many events were acknowledged, in order */
async function tellBuild(invocation: string): Promise<number> {
  async function* requests() {
    for (let at = 1; at <= count; at += 1) yield requestOf(invocation, at, eventAt(at))
  }
  let acknowledged = 0
  const method = 'google.devtools.build.v1.PublishBuildEvent/PublishBuildToolEventStream'
  for await (const bytes of channel.bidi(method, requests())) {
    const { sequenceNumber } = bes.PublishBuildToolEventStreamResponse.decode(bytes)
    if (sequenceNumber !== acknowledged + 1) throw new Error(`${sequenceNumber} was acknowledged after ${acknowledged}`)
    acknowledged = sequenceNumber
  }
  return acknowledged
}

/** As a build of many targets: most events are of targets, some are output. */
function eventAt(at: number): Sent {
  if (at === 1) return started()
  if (at === count) return 'last'
  if (at === count - 1) return finished()
  return at % 5 === 0 ? printed(`[${at} / ${count}] compiling\n`) : target(`//some/package:target_${at}`)
}
