import { re } from '../wire/proto.ts'

/** What a client says of itself with each call, for whoever looks at a build later. */
export interface SaidOfItself {
  readonly tool: string
  readonly toolVersion?: string
  /** One for all calls that belong together. */
  readonly invocation?: string
  /** What kind of action it is. */
  readonly mnemonic?: string
}

export const requestMetadataHeader = 'build.bazel.remote.execution.v2.requestmetadata-bin'

/** The tool of our own calls that only look whether servers work: no build. */
export const checkTool = 'native-check'

/** The RequestMetadata of calls, as ClientOptions.metadata takes it. */
export function requestMetadata({ tool, toolVersion, invocation, mnemonic }: SaidOfItself): Record<string, string> {
  const bytes = re.RequestMetadata.encode({
    toolDetails: { toolName: tool, toolVersion: toolVersion ?? '' },
    toolInvocationId: invocation ?? '',
    actionMnemonic: mnemonic ?? '',
  }).finish()
  return { [requestMetadataHeader]: Buffer.from(bytes).toString('base64') }
}
