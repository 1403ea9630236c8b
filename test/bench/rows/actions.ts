import { randomUUID } from 'node:crypto'
import { createCasClient } from '../../../src/client/cas.ts'
import { re } from '../../../src/wire/proto.ts'
import { prepareAction, withChannel } from '../stock.ts'
import { type LoadRow, measured, runJob, sections } from './row.ts'

/** Actions that do nothing, none of which was seen before. */
export const actions: readonly LoadRow[] = [
  trivial('actions-1', 1, 100),
  trivial('actions-8', 8, 200),
  trivial('actions-20', 20, 300),
]

function trivial(name: string, inFlight: number, count: number): LoadRow {
  return {
    name,
    async measure(bench, running) {
      const run = randomUUID()
      const prepared = Array.from({ length: count }, (_, at) => prepareAction(['/bin/true'], { salt: `${run} ${at}` }))
      // What a build would have uploaded before: the blobs are there, the time is the execution's.
      await withChannel(running.cache, (channel) =>
        createCasClient(channel).upload(prepared.flatMap((each) => each.sources)),
      )
      const bodies = prepared.map(({ action }) =>
        re.ExecuteRequest.encode({ actionDigest: { hash: action.hash, sizeBytes: action.size } }).finish(),
      )
      const method = 'build.bazel.remote.execution.v2.Execution/Execute'
      const work = { kind: 'bodies', method, bodies, once: true, executed: true } as const
      const job = { address: running.execution, connections: 1, inFlight, work, msMax: bench.msMax * 2 }
      const { outcome, cpuUs } = await runJob(bench, running, job)
      const title = `trivial actions, ${inFlight} in flight`
      return measured(outcome, [
        { section: sections.rate, title, unit: '/s', value: (outcome.calls * 1000) / outcome.ms },
        { section: sections.latency, title: `${title}, median`, unit: 'ms', value: outcome.p50Ms },
        { section: sections.latency, title: `${title}, p95`, unit: 'ms', value: outcome.p95Ms },
        { section: sections.cpu, title, unit: 'µs', value: cpuUs },
      ])
    },
  }
}
