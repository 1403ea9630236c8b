import type { ProgramContext } from '../context.ts'

const clusterLabel = 'native.cluster'
/** The state folder: other users of the same docker have clusters of the same name. */
const stateLabel = 'native.state'

/** The labels of all that is made in docker beside nodes, as arguments; nodes are labelled by kind. */
export function labelArguments({ paths }: ProgramContext): readonly string[] {
  return [`${clusterLabel}=${paths.name}`, `${stateLabel}=${paths.state}`].flatMap((each) => ['--label', each])
}

/** Was this made for this very cluster, by this user? */
export function isOurs({ paths }: ProgramContext, labels: Readonly<Record<string, string>> | null): boolean {
  return labels?.[clusterLabel] === paths.name && labels[stateLabel] === paths.state
}
