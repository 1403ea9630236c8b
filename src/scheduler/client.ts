import { re } from '../wire/proto.ts'
import type { Call } from '../wire/rpc.ts'

/** Who asks, for logs and the dashboard; empty where the client does not say. */
export interface ClientFacts {
  readonly peer: string
  /** `bazel 7.7.1` */
  readonly tool: string
  readonly invocation: string
  readonly target: string
  readonly mnemonic: string
}

const header = 'build.bazel.remote.execution.v2.requestmetadata-bin'
/** More than any tool writes; a longer header is not looked at. */
const headerLengthMax = 8192
const textLengthMax = 256

/** Reads the RequestMetadata header. It is informative only: a malformed one counts as absent. */
export function clientFacts(call: Call): ClientFacts {
  const metadata = requestMetadata(call.metadata.get(header))
  const { toolName = '', toolVersion = '' } = metadata.toolDetails ?? {}
  return {
    peer: call.peer,
    tool: bounded(`${toolName ?? ''} ${toolVersion ?? ''}`.trim()),
    invocation: bounded(metadata.toolInvocationId),
    target: bounded(metadata.targetId),
    mnemonic: bounded(metadata.actionMnemonic),
  }
}

/** The facts that are known, as fields of a log line. */
export function clientFields({ tool, invocation, target, mnemonic }: ClientFacts): object {
  return {
    ...(tool && { tool }),
    ...(invocation && { invocation }),
    ...(target && { target }),
    ...(mnemonic && { mnemonic }),
  }
}

function requestMetadata(value: string | undefined): re.RequestMetadata.$Properties {
  if (value === undefined || value.length > headerLengthMax) return {}
  try {
    return re.RequestMetadata.decode(Buffer.from(value, 'base64'))
  } catch {
    // Nothing depends on it: a client that sends rubbish here is served all the same.
    return {}
  }
}

function bounded(text: string | null | undefined): string {
  return (text ?? '').slice(0, textLengthMax)
}
