import { type Checksum, parseChecksums } from './checksum.ts'
import type { Kind } from './counts.ts'
import { type Headers, headersOf, isHeader } from './headers.ts'
import { unsupported, unsupportedValue } from './qualifiers.ts'
import type { FetchRequest } from './request.ts'

/** What a request's qualifiers mean for content from an origin. */
export interface Terms {
  /** One of them has to match; if empty, any content is accepted. */
  readonly checksums: readonly Checksum[]
  /** Keeps content apart from the same content under another id; empty if there is none. */
  readonly canonicalId: string
  /** The folder of the archive that is wanted; empty for all of it. */
  readonly directory: string
  /** For each URI. */
  readonly headers: readonly Headers[]
}

const known: Readonly<Record<Kind, readonly string[]>> = {
  blob: ['checksum.sri', 'bazel.canonical_id', 'resource_type'],
  directory: ['checksum.sri', 'bazel.canonical_id', 'resource_type', 'directory'],
}
/** Values refused in resource_type: these are not single files. */
const repositories: ReadonlySet<string> = new Set(['application/x-git', 'application/x-hg', 'application/x-svn'])

/**
 * @throws RpcError INVALID_ARGUMENT with BadRequest for qualifiers that have no meaning here; Failure 'invalid' for a
 *   malformed one
 */
export function termsOf(kind: Kind, { qualifiers, uris }: FetchRequest): Terms {
  const unknown = [...qualifiers.keys()].filter((name) => !known[kind].includes(name) && !isHeader(name))
  if (unknown.length > 0) throw unsupported(unknown)
  const type = qualifiers.get('resource_type') ?? ''
  if (repositories.has(type.toLowerCase())) throw unsupportedValue('resource_type', type)
  const checksum = qualifiers.get('checksum.sri')
  return {
    checksums: checksum === undefined ? [] : parseChecksums(checksum),
    canonicalId: qualifiers.get('bazel.canonical_id') ?? '',
    directory: checkedDirectory(qualifiers.get('directory') ?? ''),
    headers: headersOf(qualifiers, uris.length),
  }
}

/** A relative path without empty segments, `.` and `..`; empty for the whole archive. */
function checkedDirectory(path: string): string {
  const segments = path.split('/')
  if (path === '' || !segments.some((segment) => ['', '.', '..'].includes(segment) || segment.includes('\0')))
    return path
  throw unsupportedValue('directory', path)
}
