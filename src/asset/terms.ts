import { type Checksum, parseChecksums } from './checksum.ts'
import type { Kind } from './counts.ts'
import { type Headers, headersOf, isHeader } from './headers.ts'
import { unsupported, unsupportedValue } from './qualifiers.ts'
import type { FetchRequest } from './request.ts'

/** What the qualifiers of a request mean for content that is to be had from an origin. */
export interface Terms {
  /** One of them has to hold; none: any content is right. */
  readonly checksums: readonly Checksum[]
  /** Sets content apart from the same under another id; empty where there is none. */
  readonly canonicalId: string
  /** The folder of an archive that is meant; empty for all of it. */
  readonly directory: string
  /** For each URI. */
  readonly headers: readonly Headers[]
}

const known: Readonly<Record<Kind, readonly string[]>> = {
  blob: ['checksum.sri', 'bazel.canonical_id', 'resource_type'],
  directory: ['checksum.sri', 'bazel.canonical_id', 'resource_type', 'directory'],
}
/** What resource_type may not say: those are not single files. */
const repositories: ReadonlySet<string> = new Set(['application/x-git', 'application/x-hg', 'application/x-svn'])

/**
 * @throws RpcError INVALID_ARGUMENT with BadRequest for qualifiers that mean nothing here; Failure 'invalid' for a
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

/** A relative path without empty segments, `.` and `..`; empty for the whole. */
function checkedDirectory(path: string): string {
  const segments = path.split('/')
  if (path === '' || !segments.some((segment) => ['', '.', '..'].includes(segment) || segment.includes('\0')))
    return path
  throw unsupportedValue('directory', path)
}
