import type { Digest } from '../../../src/core/digest.ts'
import { re } from '../../../src/wire/proto.ts'
import { type LoadRow, rateOf, runJob } from './row.ts'

const api = 'build.bazel.remote.execution.v2'
const notFound = 5
/** Calls that differ; they go round. */
const variety = 50

/** Calls that ask and change nothing. */
export const lookups: readonly LoadRow[] = [
  {
    name: 'capabilities',
    async measure(bench, running) {
      const bodies = [re.GetCapabilitiesRequest.encode({}).finish()]
      const work = { kind: 'bodies', method: `${api}.Capabilities/GetCapabilities`, bodies, once: false } as const
      const ran = await runJob(bench, running, { address: running.cache, connections: 4, inFlight: 16, work })
      return rateOf('GetCapabilities, 64 in flight', ran)
    },
  },
  {
    name: 'action-hit',
    async measure(bench, running) {
      const bodies = bench.stock.cached.map(({ action }) => getResult(action))
      const work = { kind: 'bodies', method: `${api}.ActionCache/GetActionResult`, bodies, once: false } as const
      const job = { address: running.cache, connections: 4, inFlight: 16, work, answerBytesMin: 40 }
      return rateOf('GetActionResult, hit, 64 in flight', await runJob(bench, running, job))
    },
  },
  {
    name: 'action-miss',
    async measure(bench, running) {
      const bodies = bench.stock.absent.slice(0, 1000).map(getResult)
      const work = { kind: 'bodies', method: `${api}.ActionCache/GetActionResult`, bodies, once: false } as const
      const job = { address: running.cache, connections: 4, inFlight: 16, work, status: notFound }
      return rateOf('GetActionResult, miss, 64 in flight', await runJob(bench, running, job))
    },
  },
  findMissing('find-100', 100, 4, 4),
  findMissing('find-10000', 10_000, 2, 1),
]

/** FindMissingBlobs of which the server has one half. */
function findMissing(name: string, digests: number, connections: number, inFlight: number): LoadRow {
  return {
    name,
    async measure(bench, running) {
      const { kib1, absent } = bench.stock
      const half = digests / 2
      const bodies = Array.from({ length: Math.min(variety, kib1.length / half) }, (_, at) => {
        const part = [at * half, (at + 1) * half] as const
        const present = kib1.slice(...part).map((each) => each.digest)
        return ask([...present, ...absent.slice(...part)])
      })
      const method = `${api}.ContentAddressableStorage/FindMissingBlobs`
      const work = { kind: 'bodies', method, bodies, once: false } as const
      const job = { address: running.cache, connections, inFlight, work, answerBytesMin: half * 64 }
      const title = `FindMissingBlobs, ${digests} digests, ${connections * inFlight} in flight`
      return rateOf(title, await runJob(bench, running, job))
    },
  }
}

function ask(digests: readonly Digest[]): Uint8Array {
  return re.FindMissingBlobsRequest.encode({ blobDigests: digests.map(wire) }).finish()
}

function getResult(action: Digest): Uint8Array {
  return re.GetActionResultRequest.encode({ actionDigest: wire(action) }).finish()
}

function wire({ hash, size }: Digest): { hash: string; sizeBytes: number } {
  return { hash, sizeBytes: size }
}
