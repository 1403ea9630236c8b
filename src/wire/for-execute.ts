import type { Call } from './rpc.ts'

const header = 'native-for-execute'

/**
 * Metadata that marks the scheduler's own lookups of action results, which the cache counts separately. If anybody else
 * sends it, only that count is affected.
 */
export const forExecute: Readonly<Record<string, string>> = { [header]: '1' }

/** Is this lookup the scheduler's, on behalf of an Execute? */
export function isForExecute(call: Pick<Call, 'header'>): boolean {
  return call.header(header) !== undefined
}
