import { createHash } from 'node:crypto'
import { createActionsClient } from '../../client/actions.ts'
import { createCasClient } from '../../client/cas.ts'
import { checkedDigest, type Digest } from '../../core/digest.ts'
import type { Channel } from '../../wire/rpc.ts'
import { fromTimestamp, toTimestamp } from '../../wire/time.ts'
import type { Entry } from './folder.ts'

/** An action's output in the cluster's cache. */
export interface Found {
  readonly entry: Entry
  /** The bytes, if they were inlined in the result; not yet verified against the digest. */
  readonly contents: Uint8Array | undefined
}

/** The cluster's cache as a cache for the go command. Calls fail with an RpcError or a Failure. */
export interface Remote {
  find(actionId: string): Promise<Found | undefined>
  /** Writes an output to a new file, verified. */
  fetch(digest: Digest, path: string): Promise<void>
  /** Uploads an output from its file, and the entry that names it. */
  keep(actionId: string, entry: Entry, path: string): Promise<void>
}

/** The path of the one output in such a result. */
const outputPath = 'output'
/**
 * Hashed before an action's id. No Action of the API begins like this (its first byte would be a field with an invalid
 * wire type), so no client's action can have such a digest.
 */
const keyPrefix = 'native cacheprog 1: go\0'
/** A build that would wait longer for the cache is better off without it. */
const callMsMax = 10_000
const attemptsMax = 2

/** Accesses a cache over a channel, which the caller closes. */
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

/** The action cache key of a go command's action. */
function keyOf(actionId: string): Digest {
  const text = Buffer.concat([Buffer.from(keyPrefix), Buffer.from(actionId, 'hex')])
  return { fn: 'sha256', hash: createHash('sha256').update(text).digest('hex'), size: text.length }
}
