import { re } from '../wire/proto.ts'
import type { Call } from '../wire/rpc.ts'

const header = 'build.bazel.remote.execution.v2.requestmetadata-bin'
/** More than any tool writes; a longer header is not looked at. */
const headerLengthMax = 8192
/** The first Bazel that looks at the status of an answer (bazel#25244). */
const [majorMin, minorMin] = [8, 2]

/**
 * Does the caller look at the status of an answer? A Bazel before 8.2 does not: it takes the digest that is not there
 * for that of the empty blob, and goes on with an empty file where it knows no checksum. What it names itself is not
 * checked, since nothing is lost by a wrong name.
 */
export function readsStatus(call: Pick<Call, 'header'>): boolean {
  const tool = toolOf(call.header(header))
  if (tool?.toolName !== 'bazel') return true
  // A build that is not a release, as Debian's are, names no version: each Bazel heeds an error of the call.
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(tool.toolVersion ?? '') ?? []
  return Number(major) > majorMin || (Number(major) === majorMin && Number(minor) >= minorMin)
}

/** It is informative only: a malformed one counts as absent. */
function toolOf(value: string | undefined): re.ToolDetails.$Properties | null | undefined {
  if (value === undefined || value.length > headerLengthMax) return undefined
  try {
    return re.RequestMetadata.decode(Buffer.from(value, 'base64')).toolDetails
  } catch {
    // Whatever stands there, it names no tool.
    return undefined
  }
}
