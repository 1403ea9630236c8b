import { createHash } from 'node:crypto'
import { createActionsClient } from '../../client/actions.ts'
import { createCasClient } from '../../client/cas.ts'
import { checkedDigest, type Digest } from '../../core/digest.ts'
import type { Channel } from '../../wire/rpc.ts'
import { fromTimestamp, toTimestamp } from '../../wire/time.ts'
import type { Entry } from './folder.ts'

/** An action's output, as the cluster's cache has it. */
export interface Found {
  readonly entry: Entry
  /** The bytes, where they came with the answer; not yet held against the digest. */
  readonly contents: Uint8Array | undefined
}

/** The cluster's cache, as a cache of the go command. Every call ends with an RpcError or a Failure when it fails. */
export interface Remote {
  find(actionId: string): Promise<Found | undefined>
  /** Writes an output to a new file; what comes is verified. */
  fetch(digest: Digest, path: string): Promise<void>
  /** Keeps an output, read from its file, and the entry that names it. */
  keep(actionId: string, entry: Entry, path: string): Promise<void>
}

/** The one output of such a result. */
const outputPath = 'output'
/**
 * What is hashed before the id of an action. No Action of the API begins so (its first byte would be a field of a wire
 * type that there is not), so that no client's action has such a digest.
 */
const keyPrefix = 'native cacheprog 1: go\0'
/** A build that waits for the cache for longer had better do without. */
const callMsMax = 10_000
const attemptsMax = 2

/** Speaks to a cache on a channel, which the caller closes. */
export function createRemote(channel: Channel): Remote {
  const options = { timeoutMs: callMsMax, attemptsMax }
  const actions = createActionsClient(channel, options)
  const cas = createCasClient(channel, options)
  return {
    async find(actionId) {
      const result = await actions.get(keyOf(actionId), { outputFiles: [outputPath] })
      const [file, ...others] = result?.outputFiles ?? []
      if (!result || file?.path !== outputPath || others.length > 0 || result.stdoutRaw.length === 0) return undefined
      const digest = checkedDigest('sha256', file.digest?.hash ?? '', file.digest?.sizeBytes ?? 0)
      const timeMs = Math.round(fromTimestamp(result.executionMetadata?.workerCompletedTimestamp ?? {}))
      return {
        entry: { outputId: Buffer.from(result.stdoutRaw).toString('hex'), digest, timeMs },
        contents: digest.size === 0 || file.contents?.length ? (file.contents ?? new Uint8Array()) : undefined,
      }
    },
    fetch: (digest, path) => cas.downloadFile(digest, path, 0o600),
    async keep(actionId, { outputId, digest, timeMs }, path) {
      await cas.uploadMissing([{ digest, content: path }])
      await actions.update(keyOf(actionId), {
        outputFiles: [{ path: outputPath, digest: { hash: digest.hash, sizeBytes: digest.size } }],
        stdoutRaw: Buffer.from(outputId, 'hex'),
        executionMetadata: { worker: 'native cacheprog', workerCompletedTimestamp: toTimestamp(timeMs) },
      })
    },
  }
}

/** The digest under which an action of the go command stands in the action cache. */
function keyOf(actionId: string): Digest {
  const text = Buffer.concat([Buffer.from(keyPrefix), Buffer.from(actionId, 'hex')])
  return { fn: 'sha256', hash: createHash('sha256').update(text).digest('hex'), size: text.length }
}
