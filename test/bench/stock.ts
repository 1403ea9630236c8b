import { createHash } from 'node:crypto'
import { negotiate } from '../../src/client/capabilities.ts'
import { createCasClient } from '../../src/client/cas.ts'
import { execute } from '../../src/client/execute.ts'
import type { BlobSource } from '../../src/client/source.ts'
import type { Digest } from '../../src/core/digest.ts'
import { digestOf } from '../../src/core/hash.ts'
import { openChannel } from '../../src/wire/channel.ts'
import { re } from '../../src/wire/proto.ts'
import type { Channel } from '../../src/wire/rpc.ts'

/** What every server holds before it is timed: the same for all of them. */
export interface Stock {
  readonly kib1: readonly BlobSource[]
  readonly kib64: readonly BlobSource[]
  readonly mib16: readonly BlobSource[]
  /** Blobs that no server has. */
  readonly absent: readonly Digest[]
  /** Actions that were executed, each with a file as output. */
  readonly cached: readonly PreparedAction[]
}

/** An action and what has to be in the cache before it can be executed. */
export interface PreparedAction {
  readonly action: Digest
  readonly sources: readonly BlobSource[]
}

const filledEach = { kib1: 5_000, kib64: 64, mib16: 4, absent: 5_000, cached: 16 }

export function makeStock(): Stock {
  return {
    kib1: makeBlobs('1 KiB', filledEach.kib1, 1024),
    kib64: makeBlobs('64 KiB', filledEach.kib64, 64 * 1024),
    mib16: makeBlobs('16 MiB', filledEach.mib16, 16 * 1024 * 1024),
    absent: Array.from({ length: filledEach.absent }, (_, at) => digestOf('sha256', Buffer.from(`absent ${at}`))),
    cached: Array.from({ length: filledEach.cached }, (_, at) =>
      prepareAction(['/bin/sh', '-c', `echo ${at} > out`], { outputs: ['out'] }),
    ),
  }
}

/** Uploads the stock to a server and executes its actions there. */
export async function fill(stock: Stock, at: { cache: string; execution: string }): Promise<void> {
  await withChannel(at.cache, async (channel) => {
    const { batchBytes } = await negotiate(channel)
    const cas = createCasClient(channel, { batchBytes })
    await cas.upload([...stock.kib1, ...stock.kib64, ...stock.mib16])
    await cas.upload(stock.cached.flatMap((each) => each.sources))
  })
  await withChannel(at.execution, async (channel) => {
    for (const { action } of stock.cached) {
      const { error, result } = await execute(channel, { action })
      if (error) throw error
      if (result.exitCode !== 0 || result.outputFiles?.length !== 1) throw new Error('the action gave no output')
    }
  })
}

/**
 * An action without inputs.
 * @param salt makes it another action
 */
export function prepareAction(
  argv: readonly string[],
  { outputs = [], salt = '' }: { outputs?: string[]; salt?: string } = {},
): PreparedAction {
  // In the command, since justbuild takes actions for the same that differ in Action.salt alone.
  const environmentVariables = salt === '' ? [] : [{ name: 'SALT', value: salt }]
  // Servers of API 2.0 read the second list of outputs.
  const command = source(
    re.Command.encode({
      arguments: [...argv],
      environmentVariables,
      outputPaths: outputs,
      outputFiles: outputs,
    }).finish(),
  )
  const inputs = source(re.Directory.encode({}).finish())
  const action = source(
    re.Action.encode({
      commandDigest: { hash: command.digest.hash, sizeBytes: command.digest.size },
      inputRootDigest: { hash: inputs.digest.hash, sizeBytes: inputs.digest.size },
    }).finish(),
  )
  return { action: action.digest, sources: [command, inputs, action] }
}

/** Opens a channel of our real client for as long as the work takes. */
export async function withChannel<T>(address: string, work: (channel: Channel) => Promise<T>): Promise<T> {
  const channel = openChannel(`grpc://${address}`)
  try {
    return await work(channel)
  } finally {
    channel.close()
  }
}

/** Blobs of bytes that look like chance but are the same in each run. */
export function makeBlobs(seed: string, count: number, size: number): BlobSource[] {
  const noise = createHash('shake256', { outputLength: size }).update(seed).digest()
  return Array.from({ length: count }, (_, at) => {
    const bytes = Buffer.from(noise)
    bytes.writeUInt32BE(at)
    return source(bytes)
  })
}

function source(content: Uint8Array): BlobSource {
  return { digest: digestOf('sha256', content), content }
}
