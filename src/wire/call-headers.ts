import { field } from './http2/field.ts'
import { encodeFields } from './http2/hpack.ts'
import { type CallOptions, Code, RpcError } from './rpc.ts'

/** Cached header blocks: a few methods, with their usual timeouts. */
const blocksMax = 256
/** A header block has to fit into one frame. */
const blockBytesMax = 16 * 1024 - 1

/** Encodes the header fields of calls to an address, with a cache. */
export function createCallHeaders(
  authority: string,
  secure: boolean,
): (method: string, options: CallOptions) => Uint8Array {
  const kept = new Map<string, Uint8Array>()
  return (method, { metadata, timeoutMs }) => {
    const timeout = timeoutMs === undefined ? '' : timeoutText(timeoutMs)
    const key = `${method} ${timeout}`
    const known = kept.get(key)
    const own = known ?? encodeOwn(authority, secure, method, timeout)
    if (!known && kept.size < blocksMax) kept.set(key, own)
    const more = metadata ? Object.entries(metadata) : []
    if (more.length === 0) return own
    const block = Buffer.concat([own, encodeFields(more.map(sound))])
    if (block.length > blockBytesMax) throw new RpcError(Code.RESOURCE_EXHAUSTED, 'the metadata is more than 16 KiB')
    return block
  }
}

function encodeOwn(authority: string, secure: boolean, method: string, timeout: string): Uint8Array {
  return encodeFields([
    [':method', 'POST'],
    [':scheme', secure ? 'https' : 'http'],
    [':path', `/${method}`],
    [':authority', authority],
    ['te', 'trailers'],
    ['content-type', 'application/grpc'],
    ...(timeout === '' ? [] : ([['grpc-timeout', timeout]] as const)),
  ])
}

/** At most eight digits and a unit. */
function timeoutText(ms: number): string {
  const whole = Math.max(Math.ceil(ms), 1)
  return whole < 1e8 ? `${whole}m` : `${Math.min(Math.ceil(whole / 1000), 99_999_999)}S`
}

function sound([name, value]: [string, string]): [string, string] {
  const lower = name.toLowerCase()
  if (lower.startsWith(':') || !field(lower, value).sound)
    throw new RpcError(Code.INTERNAL, `metadata cannot carry ${JSON.stringify(name.slice(0, 100))}`)
  return [lower, value]
}
