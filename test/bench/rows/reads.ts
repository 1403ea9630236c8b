import type { BlobSource } from '../../../src/client/source.ts'
import { bytestream, re } from '../../../src/wire/proto.ts'
import { readName } from '../../../src/wire/resource.ts'
import { type LoadRow, measured, rateOf, runJob, sections } from './row.ts'

const batchBlobs = 100
const mib = 1024 * 1024

/** Calls that bring bytes to the client. */
export const reads: readonly LoadRow[] = [
  {
    name: 'batch-read',
    async measure(bench, running) {
      const { kib1 } = bench.stock
      const bodies = Array.from({ length: kib1.length / batchBlobs }, (_, at) => {
        const blobs = kib1.slice(at * batchBlobs, (at + 1) * batchBlobs)
        const digests = blobs.map(({ digest }) => ({ hash: digest.hash, sizeBytes: digest.size }))
        return re.BatchReadBlobsRequest.encode({ digests }).finish()
      })
      const method = 'build.bazel.remote.execution.v2.ContentAddressableStorage/BatchReadBlobs'
      const work = { kind: 'bodies', method, bodies, once: false } as const
      const job = { address: running.cache, connections: 4, inFlight: 1, work, answerBytesMin: batchBlobs * 1024 }
      return rateOf('BatchReadBlobs, 100 x 1 KiB, 4 in flight', await runJob(bench, running, job))
    },
  },
  {
    name: 'read-1k',
    async measure(bench, running) {
      const job = { address: running.cache, connections: 4, inFlight: 16, ...reading(bench.stock.kib1.slice(0, 1000)) }
      return rateOf('ByteStream.Read 1 KiB, 64 in flight', await runJob(bench, running, job))
    },
  },
  {
    name: 'read-64k',
    async measure(bench, running) {
      const job = { address: running.cache, connections: 4, inFlight: 4, ...reading(bench.stock.kib64) }
      return rateOf('ByteStream.Read 64 KiB, 16 in flight', await runJob(bench, running, job))
    },
  },
  {
    name: 'read-16m',
    async measure(bench, running) {
      const job = { address: running.cache, connections: 1, inFlight: 1, ...reading(bench.stock.mib16) }
      const { outcome, cpuUs } = await runJob(bench, running, job)
      const title = 'ByteStream.Read 16 MiB, 1 in flight'
      const value = (outcome.calls * 16 * mib) / 1000 / outcome.ms
      return measured(outcome, [
        { section: sections.rate, title, unit: 'MB/s', value },
        { section: sections.cpu, title, unit: 'µs', value: cpuUs },
      ])
    },
  },
]

function reading(blobs: readonly BlobSource[]) {
  const bodies = blobs.map(({ digest }) =>
    bytestream.ReadRequest.encode({
      resourceName: readName({ instance: '', compressor: 'identity', digest }),
    }).finish(),
  )
  const work = { kind: 'bodies', method: 'google.bytestream.ByteStream/Read', bodies, once: false } as const
  return { work, answerBytesMin: blobs[0]?.digest.size ?? 0 }
}
