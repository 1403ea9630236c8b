import { requestMetadataOf } from '../client/recorder.ts'
import type { Digest } from '../core/digest.ts'
import { smallBlobBytesMax } from '../core/limits.ts'
import type { Holder } from '../store/pins.ts'
import { executedFor } from '../wire/for-execute.ts'
import type { Call } from '../wire/rpc.ts'
import type { CacheContext } from './context.ts'
import { cursorOf, MalformedMessage, readTag, readText, skipField } from './cursor.ts'

/** Those of the digests that are absent, each once. Touches those that are present. */
export type Find = (digests: readonly Digest[]) => Promise<readonly Digest[]>

/** RequestMetadata.tool_invocation_id: field 3, length-delimited. */
const invocationTag = 0x1a

/** Invocations by the metadata that named them: most calls repeat what another has said. */
const known = new Map<string, string>()
const knownMax = 1_024
/** Longer metadata is read each time. */
const knownLengthMax = 512

/** For whom the store keeps what this call is told of or brings; undefined where the call names no invocation. */
export function holderOf(context: CacheContext, call: Partial<Pick<Call, 'header' | 'peer'>>): Holder | undefined {
  if (!context.pins || !canName(call)) return undefined
  const metadata = requestMetadataOf(call) ?? executedFor(call)
  const invocation = metadata === undefined ? '' : invocationOf(metadata)
  return invocation === '' ? undefined : context.pins.holder(invocation, hostOf(call.peer))
}

/** A request of HTTP has no metadata. */
function canName(call: Partial<Pick<Call, 'header' | 'peer'>>): call is Pick<Call, 'header' | 'peer'> {
  return call.header !== undefined && call.peer !== undefined
}

function invocationOf(metadata: string): string {
  const found = known.get(metadata)
  if (found !== undefined) return found
  const invocation = invocationIn(metadata)
  if (known.size >= knownMax) known.clear()
  if (metadata.length <= knownLengthMax) known.set(metadata, invocation)
  return invocation
}

/** It is informative only: what cannot be read names no invocation. */
function invocationIn(metadata: string): string {
  const cursor = cursorOf(Buffer.from(metadata, 'base64'))
  let invocation = ''
  try {
    while (cursor.at < cursor.end) {
      const tag = readTag(cursor)
      if (tag === invocationTag) invocation = readText(cursor)
      else skipField(cursor, tag)
    }
    return invocation
  } catch (error) {
    if (error instanceof MalformedMessage) return ''
    throw error
  }
}

/** All connections of a host are one client. */
function hostOf(peer: string): string {
  return peer.slice(0, Math.max(0, peer.lastIndexOf(':')))
}

/** How a call looks for blobs: what is there is kept for its invocation. */
export function finderOf({ blobs }: CacheContext, holder: Holder | undefined): Find {
  return holder ? (digests) => blobs.findMissing(digests, holder) : blobs.findMissing
}

/**
 * Keeps what a call reads for its invocation. What is not there whole may be there in chunks.
 * @returns undefined when it is done already, as it is for small blobs
 */
export function keepRead(context: CacheContext, call: Call, digests: readonly Digest[]): Promise<unknown> | undefined {
  const holder = holderOf(context, call)
  const large = holder?.keep(digests).filter(({ size }) => size > smallBlobBytesMax) ?? []
  return large.length > 0 ? context.blobs.findMissing(large, holder) : undefined
}
