import { negotiate } from '../client/capabilities.ts'
import { createCasClient } from '../client/cas.ts'
import type { Addresses } from '../cluster/addresses.ts'
import { checkedDigest, type Digest, type DigestFunction, digestFunctionOf } from '../core/digest.ts'
import { Failure } from '../core/failure.ts'
import { compareActions, loadAction } from '../explain/compare.ts'
import { type Comparison, differencesOf } from '../explain/difference.ts'
import { findAction } from '../explain/find.ts'
import type { Load } from '../explain/load.ts'
import { toldDifferences, unknownText } from '../explain/words.ts'
import { hasHistory, withHistory } from './console.ts'
import { openReached } from './reached.ts'
import { wrapped } from './wrap.ts'

/** The arguments of `native diff`. */
export interface DiffRequest {
  /** Each HASH, HASH/SIZE or HASH:SIZE; of actions in the history, the beginning of HASH is enough. */
  readonly one: string
  readonly other: string
  readonly instance: string
  readonly fn?: DigestFunction
  readonly signal: AbortSignal
}

const askMsMax = 10_000
/** The beginning of a hash, as explanations and pages show it. */
const begun = /^[0-9a-f]{4,39}$/

/**
 * Compares two actions from the cache of a cluster.
 * @throws Failure 'invalid' for what is not a digest or not an Action, 'not-found' for an Action that the cache lacks
 */
export async function diffActions(cluster: Addresses, request: DiffRequest): Promise<Comparison> {
  const { cache } = cluster
  const [one, other] = [
    await digestGiven(cluster, request.one, request),
    await digestGiven(cluster, request.other, request),
  ]
  if (one.fn !== other.fn)
    throw new Failure('invalid', `the digests of the actions use different hash functions, ${one.fn} and ${other.fn}`, {
      next: ['Nothing that they refer to can be compared, because every blob has a different digest in each.'],
    })
  const channel = await openReached(cache)
  try {
    const { instance, signal } = request
    const { batchBytes } = await negotiate(channel, { instance, fn: one.fn, signal })
    const cas = createCasClient(channel, { instance, fn: one.fn, batchBytes })
    const load: Load = (digests) => cas.readBlobs(digests, signal)
    return await compareActions(await loadAction(one, load), await loadAction(other, load), load)
  } finally {
    channel.close()
  }
}

/** A comparison for people, its differences one below the other. */
export function comparisonText(comparison: Comparison, columns: number): string {
  const count = differencesOf(comparison)
  const unknown = comparison.unknown.slice(0, unknownMax)
  const notes = [
    ...unknown.map(unknownText),
    ...(comparison.unknown.length > unknownMax
      ? [`${comparison.unknown.length - unknownMax} more directories are not known.`]
      : []),
    ...(comparison.inputsCut ? ['The trees differ in more directories than were looked at.'] : []),
  ]
  const blocks = toldDifferences(comparison).map(({ title, one, other }) =>
    [title, ...(one === null ? [] : [`  - ${one}`]), ...(other === null ? [] : [`  + ${other}`])].join('\n'),
  )
  return [
    wrapped(headline(comparison, count), columns),
    ...blocks,
    ...moreOf(comparison),
    ...notes.map((each) => wrapped(each, columns)),
  ].join('\n')
}

/** How many unknown directories are listed. */
const unknownMax = 10

function headline({ one, other, unknown }: Comparison, count: number): string {
  const names = `${short(one)} (-) and ${short(other)} (+)`
  if (one === other) return `Both are the same action, ${short(one)}.`
  if (count > 0) return `Actions ${names} differ in ${count === 1 ? 'one thing' : `${count} things`}:`
  if (unknown.length > 0) return `Actions ${names} differ in what is not known:`
  return `Actions ${names} say the same in different bytes: in another order, or in fields that this version does not know.`
}

function moreOf(comparison: Comparison): string[] {
  const named: [string, number][] = [
    ['arguments', comparison.arguments.more],
    ['variables', comparison.variables.more],
    ['platform properties', comparison.properties.more],
    ['output paths', comparison.outputs.more],
    ['inputs', comparison.inputs.more],
  ]
  return named.flatMap(([what, more]) => (more > 0 ? [`and ${more} more ${what}`] : []))
}

function short(digest: string): string {
  return digest.slice(0, 8)
}

async function digestGiven(cluster: Addresses, text: string, request: DiffRequest): Promise<Digest> {
  const { address } = cluster.cache
  if (begun.test(text.trim()) && hasHistory(cluster))
    return withHistory(cluster, (history) => findAction(history, text.trim()))
  const match = /^([0-9a-f]{40,128})(?:[/:](\d+))?$/.exec(text.trim())
  if (!match?.[1])
    throw new Failure('invalid', `"${text}" is not the digest of an action`, {
      next: ['Write it as HASH/SIZE, as "action" in the output of `native exec --json` has it, or as HASH.'],
    })
  const [, hash, size] = match
  const fn = request.fn ?? digestFunctionOf(0, hash)
  return checkedDigest(fn, hash, size === undefined ? await sizeOf(address, hash, request) : Number(size))
}

/** The API names blobs by hash and size; over HTTP, our cache needs only the hash. */
async function sizeOf(address: string, hash: string, { fn, signal }: DiffRequest): Promise<number> {
  const needsSize = ['Write it as HASH/SIZE.']
  if (fn === 'blake3')
    throw new Failure('invalid', 'a BLAKE3 digest cannot be looked up without its size', {
      where: hash,
      next: needsSize,
    })
  let answer: Response
  try {
    answer = await fetch(`http://${address}/cas/${hash}`, {
      method: 'HEAD',
      signal: AbortSignal.any([signal, AbortSignal.timeout(askMsMax)]),
    })
  } catch (cause) {
    if (signal.aborted) throw signal.reason
    throw new Failure('unavailable', 'the cache does not report the size of a blob', {
      where: hash,
      next: needsSize,
      cause,
    })
  }
  const length = Number(answer.headers.get('content-length') ?? Number.NaN)
  if (answer.status === 404) throw new Failure('not-found', 'there is no such action in the cache', { where: hash })
  if (answer.ok && Number.isSafeInteger(length)) return length
  throw new Failure('unavailable', `the cache does not report the size of a blob (HTTP ${answer.status})`, {
    where: hash,
    next: needsSize,
  })
}
