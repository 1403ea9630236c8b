import { requestMetadataOf } from '../client/recorder.ts'
import { re } from '../wire/proto.ts'
import type { Call } from '../wire/rpc.ts'

/** Who is asking, for logs and the dashboard; empty where the client does not say. */
export interface ClientFacts {
  readonly peer: string
  /** The RequestMetadata as received, for the console; absent where there is none or its length is unusual. */
  readonly metadata: string | undefined
  /** `bazel 7.7.1` */
  readonly tool: string
  readonly invocation: string
  readonly target: string
  readonly mnemonic: string
}

const textLengthMax = 256

/** Reads the RequestMetadata header. It is only informative, so a malformed one counts as absent. */
export function clientFacts(call: Call): ClientFacts {
  const header = requestMetadataOf(call)
  const metadata = requestMetadata(header)
  const { toolName = '', toolVersion = '' } = metadata.toolDetails ?? {}
  return {
    peer: call.peer,
    metadata: header,
    tool: bounded(`${toolName ?? ''} ${toolVersion ?? ''}`.trim()),
    invocation: bounded(metadata.toolInvocationId),
    target: bounded(metadata.targetId),
    mnemonic: bounded(metadata.actionMnemonic),
  }
}

/** The known facts, as fields of a log line. */
export function clientFields({ tool, invocation, target, mnemonic }: ClientFacts): object {
  return {
    ...(tool && { tool }),
    ...(invocation && { invocation }),
    ...(target && { target }),
    ...(mnemonic && { mnemonic }),
  }
}

function requestMetadata(value: string | undefined): re.RequestMetadata.$Properties {
  if (value === undefined) return {}
  try {
    return re.RequestMetadata.decode(Buffer.from(value, 'base64'))
  } catch {
    // Nothing depends on it: a client that sends garbage here is served all the same.
    return {}
  }
}

function bounded(text: string | null | undefined): string {
  return (text ?? '').slice(0, textLengthMax)
}
