import { re } from '../wire/proto.ts'
import type { Call } from '../wire/rpc.ts'

const header = 'build.bazel.remote.execution.v2.requestmetadata-bin'
/** More than any tool writes; longer headers are ignored. */
const headerLengthMax = 8192
/** The first Bazel that checks the response's status (bazel#25244). */
const [majorMin, minorMin] = [8, 2]

/**
 * Does the caller check the response's status? Bazel before 8.2 does not: it takes the missing digest for that of the
 * empty blob, and continues with an empty file if it knows no checksum. The tool's name is not verified, since a false
 * one does no harm.
 */
export function readsStatus(call: Pick<Call, 'header'>): boolean {
  const tool = toolOf(call.header(header))
  if (tool?.toolName !== 'bazel') return true
  // Builds that are not releases, like Debian's, give no version: every Bazel respects an error of the call.
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(tool.toolVersion ?? '') ?? []
  return Number(major) > majorMin || (Number(major) === majorMin && Number(minor) >= minorMin)
}

/** It is informative only: a malformed one counts as absent. */
function toolOf(value: string | undefined): re.ToolDetails.$Properties | null | undefined {
  if (value === undefined || value.length > headerLengthMax) return undefined
  try {
    return re.RequestMetadata.decode(Buffer.from(value, 'base64')).toolDetails
  } catch {
    // Whatever it is, it names no tool.
    return undefined
  }
}
