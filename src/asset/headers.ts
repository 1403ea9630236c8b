import { Failure } from '../core/failure.ts'
import type { Qualifiers } from './qualifiers.ts'

/** Header fields of a request to an origin, by lower-case name. */
export type Headers = Readonly<Record<string, string>>

const all = 'http_header:'
const one = 'http_header_url:'

/** Fields that frame a request, or would make its response something other than the whole content. */
const refused: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'keep-alive',
  'proxy-connection',
  'range',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])
/** Fields that are still sent after a redirect to another origin: nothing that could be a credential. */
const harmless: ReadonlySet<string> = new Set(['accept', 'accept-language', 'cache-control', 'user-agent'])

/** Does a qualifier of this name set a header field? */
export function isHeader(name: string): boolean {
  return name.startsWith(all) || name.startsWith(one)
}

/**
 * The header fields for each URI: `http_header:NAME` applies to all, `http_header_url:N:NAME` to the one at index N,
 * counted from 0, and takes precedence (Bazel's --experimental_remote_downloader_propagate_credentials).
 * @throws Failure 'invalid' for a malformed field, a duplicate, or an index without a URI
 */
export function headersOf(qualifiers: Qualifiers, uriCount: number): readonly Headers[] {
  const common = new Map<string, string>()
  const own = Array.from({ length: uriCount }, () => new Map<string, string>())
  for (const [name, value] of qualifiers) {
    if (name.startsWith(all)) add(common, name, name.slice(all.length), value)
    else if (name.startsWith(one)) {
      const [, place = '', field = ''] = /^(\d{1,4}):(.*)$/s.exec(name.slice(one.length)) ?? []
      const fields = place === '' ? undefined : own[Number(place)]
      if (!fields)
        throw new Failure('invalid', 'the qualifier names no URI of the request', {
          where: name,
          next: [`Write ${one}N:NAME, where N is from 0 to ${uriCount - 1}.`],
        })
      add(fields, name, field, value)
    }
  }
  return own.map((fields) => Object.fromEntries([...common, ...fields]))
}

/** Those of the fields that may go to an origin for which they were not meant. */
export function headersElsewhere(headers: Headers): Headers {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => harmless.has(name)))
}

function add(fields: Map<string, string>, qualifier: string, field: string, value: string): void {
  const name = field.toLowerCase()
  const problem = problemOf(name, value) ?? (fields.has(name) ? 'the field is there twice' : undefined)
  if (problem !== undefined) throw new Failure('invalid', problem, { where: qualifier.slice(0, 100) })
  fields.set(name, value)
}

/** RFC 9110, section 5: a token as the name; visible characters with spaces and tabs between them as the value. */
function problemOf(name: string, value: string): string | undefined {
  if (!/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(name)) return 'the qualifier names no header field'
  if (refused.has(name)) return 'the qualifier names a header field that the server sets itself'
  return /^[\t\x20-\x7e\x80-\xff]*$/.test(value) ? undefined : 'the value of a header field holds what none may'
}
