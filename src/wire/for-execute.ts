import type { Call } from './rpc.ts'

const header = 'native-for-execute'
/** In place of metadata where the client sent none. */
const nobody = '1'

/**
 * Metadata that marks the scheduler's own calls to the cache on behalf of an Execute: its lookups of action results are
 * counted separately, and what they find is kept for the client's invocation. If anybody else sends it, they do no more
 * than with a RequestMetadata of their own, apart from that count.
 * @param metadata the client's RequestMetadata, in base64
 */
export function forExecute(metadata?: string): Readonly<Record<string, string>> {
  return { [header]: metadata || nobody }
}

/** Is this lookup the scheduler's, on behalf of an Execute? */
export function isForExecute(call: Pick<Call, 'header'>): boolean {
  return call.header(header) !== undefined
}

/** The RequestMetadata of the client for whose Execute this call is, in base64. */
export function executedFor(call: Pick<Call, 'header'>): string | undefined {
  const metadata = call.header(header)
  return metadata === nobody ? undefined : metadata
}
