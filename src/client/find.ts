import { type Digest, digestText } from '../core/digest.ts'
import { re } from '../wire/proto.ts'
import { type Context, callOptions, functionValue, wireDigest } from './context.ts'
import { forEachLimited } from './parallel.ts'
import { withRetries } from './retry.ts'

const method = 'build.bazel.remote.execution.v2.ContentAddressableStorage/FindMissingBlobs'
/** Keeps a request of the longest hashes (SHA-512) well under a message's 4 MiB. */
const digestsPerCall = 10_000
const callsAtOnce = 4

/**
 * Which of the digests the server lacks, each once, in the order given. Sends at most 10,000 digests per call, and
 * never the empty blob, which always exists (rule 1).
 */
export async function findMissing(
  context: Context,
  digests: readonly Digest[],
  signal?: AbortSignal,
): Promise<Digest[]> {
  const asked = new Map<string, Digest>()
  for (const digest of digests) if (digest.size > 0) asked.set(digestText(digest), digest)
  const all = [...asked.values()]
  const parts: Digest[][] = []
  // A call has only one digest function.
  for (const sameFunction of Map.groupBy(all, ({ fn }) => fn).values())
    for (let at = 0; at < sameFunction.length; at += digestsPerCall)
      parts.push(sameFunction.slice(at, at + digestsPerCall))
  const missing = new Set<string>()
  await forEachLimited(parts, callsAtOnce, async (part) => {
    for (const key of await findPart(context, part, signal)) missing.add(key)
  })
  return all.filter((digest) => missing.has(digestText(digest)))
}

async function findPart(context: Context, part: Digest[], signal: AbortSignal | undefined): Promise<string[]> {
  const request = re.FindMissingBlobsRequest.encode({
    instanceName: context.instance,
    digestFunction: functionValue(part[0]?.fn ?? context.fn),
    blobDigests: part.map(wireDigest),
  }).finish()
  const answer = await withRetries(context.retries, signal, () =>
    context.channel.unary(method, request, callOptions(context, signal)),
  )
  const { missingBlobDigests } = re.FindMissingBlobsResponse.decode(answer)
  return (missingBlobDigests ?? []).map((each) => `${each.hash ?? ''}/${each.sizeBytes ?? 0}`)
}
