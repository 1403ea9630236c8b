import type { Call } from './rpc.ts'

const header = 'native-for-execute'

/**
 * Metadata of the scheduler's own lookups of action results, which the cache counts apart from those of clients. Whoever
 * else sends it changes nothing but that count.
 */
export const forExecute: Readonly<Record<string, string>> = { [header]: '1' }

/** Does the scheduler ask, on behalf of an Execute? */
export function isForExecute(call: Pick<Call, 'header'>): boolean {
  return call.header(header) !== undefined
}
