import { re } from '../wire/proto.ts'

/** What a client says about itself with each call, for whoever looks at a build later. */
export interface SaidOfItself {
  readonly tool: string
  readonly toolVersion?: string
  /** One for all calls that belong together. */
  readonly invocation?: string
  /** The kind of action. */
  readonly mnemonic?: string
}

export const requestMetadataHeader = 'build.bazel.remote.execution.v2.requestmetadata-bin'

/** The tool name of our own health checks, which are not builds. */
export const checkTool = 'native-check'

/** RequestMetadata for calls, in the form of ClientOptions.metadata. */
export function requestMetadata({ tool, toolVersion, invocation, mnemonic }: SaidOfItself): Record<string, string> {
  const bytes = re.RequestMetadata.encode({
    toolDetails: { toolName: tool, toolVersion: toolVersion ?? '' },
    toolInvocationId: invocation ?? '',
    actionMnemonic: mnemonic ?? '',
  }).finish()
  return { [requestMetadataHeader]: Buffer.from(bytes).toString('base64') }
}
