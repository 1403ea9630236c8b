/** A header field as stored in a table; many requests share one. */
export interface Field {
  readonly name: string
  readonly value: string
  /** Section 4.1: lengths of name and value, plus 32. */
  readonly size: number
  /** False if name or value contain what HTTP/2 forbids (RFC 9113, section 8.2.1). */
  readonly sound: boolean
}

const fieldOverheadBytes = 32
/** A token or the name of a pseudo header; upper case is malformed in HTTP/2. */
const soundName = /^:?[!#$%&'*+\-.^_`|~0-9a-z]+$/
const unsoundValue = /[\0\r\n]/

/** Creates a field. */
export function field(name: string, value: string): Field {
  return {
    name,
    value,
    size: name.length + value.length + fieldOverheadBytes,
    sound: soundName.test(name) && !unsoundValue.test(value),
  }
}

/** RFC 7541, appendix A. */
// biome-ignore format: a table
export const staticFields = ([
  [':authority', ''], [':method', 'GET'], [':method', 'POST'], [':path', '/'], [':path', '/index.html'],
  [':scheme', 'http'], [':scheme', 'https'], [':status', '200'], [':status', '204'], [':status', '206'],
  [':status', '304'], [':status', '400'], [':status', '404'], [':status', '500'], ['accept-charset', ''],
  ['accept-encoding', 'gzip, deflate'], ['accept-language', ''], ['accept-ranges', ''], ['accept', ''],
  ['access-control-allow-origin', ''], ['age', ''], ['allow', ''], ['authorization', ''], ['cache-control', ''],
  ['content-disposition', ''], ['content-encoding', ''], ['content-language', ''], ['content-length', ''],
  ['content-location', ''], ['content-range', ''], ['content-type', ''], ['cookie', ''], ['date', ''], ['etag', ''],
  ['expect', ''], ['expires', ''], ['from', ''], ['host', ''], ['if-match', ''], ['if-modified-since', ''],
  ['if-none-match', ''], ['if-range', ''], ['if-unmodified-since', ''], ['last-modified', ''], ['link', ''],
  ['location', ''], ['max-forwards', ''], ['proxy-authenticate', ''], ['proxy-authorization', ''], ['range', ''],
  ['referer', ''], ['refresh', ''], ['retry-after', ''], ['server', ''], ['set-cookie', ''],
  ['strict-transport-security', ''], ['transfer-encoding', ''], ['user-agent', ''], ['vary', ''], ['via', ''],
  ['www-authenticate', ''],
] as const).map(([name, value]) => field(name, value))
