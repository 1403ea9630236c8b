/** The process that makes load: prepares a job when told, runs it when told, answers with its outcome. */
import { messageOf } from '../../../src/core/failure.ts'
import { callsOf, executionFault } from './calls.ts'
import { type Call, type Connection, type Ended, openConnection } from './connection.ts'
import type { FromChild, Job, Outcome, ToChild } from './job.ts'

/** A call that takes longer fails the job. */
const silentMsMax = 60_000
/** Latencies that are kept; of later calls only the number is. */
const latenciesMax = 1_000_000

let prepared: (() => Promise<Outcome>) | undefined

process.on('message', (message: ToChild) => {
  handle(message).then(answer, (error) => answer({ error: messageOf(error) }))
})
process.on('disconnect', () => process.exit(0))

function answer(message: FromChild): void {
  process.send?.(message)
}

async function handle(message: ToChild): Promise<FromChild> {
  if ('prepare' in message) {
    prepared = await prepare(message.prepare)
    return { ready: true }
  }
  if (!prepared) throw new Error('nothing is prepared')
  return { outcome: await prepared() }
}

async function prepare(job: Job): Promise<() => Promise<Outcome>> {
  const over = Promise.withResolvers<void>()
  // Settled by a broken connection before the job is run, it is still seen there.
  over.promise.catch(() => undefined)
  const { calls, blobBytes } = callsOf(job.work)
  const connections = await Promise.all(
    Array.from({ length: job.connections }, () => openConnection(job.address, over.reject)),
  )
  return async () => {
    try {
      return await run(job, { calls, blobBytes, connections, over })
    } finally {
      for (const each of connections) each.close()
    }
  }
}

interface Prepared {
  readonly calls: readonly Call[]
  readonly blobBytes: readonly number[]
  readonly connections: readonly Connection[]
  readonly over: PromiseWithResolvers<void>
}

async function run(job: Job, { calls, blobBytes, connections, over }: Prepared): Promise<Outcome> {
  const endless = job.work.kind === 'bodies' && !job.work.once
  const keepAnswer = job.work.kind === 'bodies' && job.work.executed === true
  const latencies = new Float64Array(latenciesMax)
  const wrong: Record<string, number> = {}
  let begun = 0
  let ended = 0
  let sentBytes = 0
  const cpu = process.cpuUsage()
  const start = performance.now()
  let last = start

  const next = (connection: Connection): void => {
    const at = performance.now()
    const index = endless ? begun % calls.length : begun
    const call = calls[index]
    if (!call || at - start > job.msMax) {
      if (begun === ended) over.resolve()
      return
    }
    begun += 1
    connection.call(call, keepAnswer, (result) => {
      last = performance.now()
      if (ended < latenciesMax) latencies[ended] = last - at
      ended += 1
      sentBytes += blobBytes[index] ?? 0
      const fault = faultOf(result, job, keepAnswer)
      if (fault) wrong[fault] = (wrong[fault] ?? 0) + 1
      next(connection)
    })
  }
  for (let lane = 0; lane < job.inFlight; lane += 1) for (const each of connections) next(each)
  for (const each of connections) each.flush()
  const watch = setInterval(() => {
    if (performance.now() - last > silentMsMax) over.reject(new Error('no call has ended for a minute'))
  }, 1000)
  await over.promise.finally(() => clearInterval(watch))
  const { user, system } = process.cpuUsage(cpu)
  const sorted = latencies.subarray(0, Math.min(ended, latenciesMax)).sort()
  const quantile = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
  return {
    calls: ended,
    ms: last - start,
    wrong,
    sentBytes,
    p50Ms: quantile(0.5),
    p95Ms: quantile(0.95),
    ownCpuMs: (user + system) / 1000,
  }
}

/** A fault's kind: the same text for each blob. */
function withoutNumbers(message: string): string {
  return message.replace(/[0-9a-f]{16,}|\d+/g, '#').slice(0, 120)
}

function faultOf(result: Ended, job: Job, executed: boolean): string | undefined {
  if (result.status !== job.status) return `status ${result.status}: ${withoutNumbers(result.message)}`
  if (result.bytes < job.answerBytesMin) return `an answer of ${result.bytes} bytes`
  return executed ? executionFault(result) : undefined
}
