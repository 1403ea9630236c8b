import type { ProgramContext } from '../context.ts'

const clusterLabel = 'native.cluster'
/** The state folder, since other users of the same docker may have clusters of the same name. */
const stateLabel = 'native.state'

/** The labels, as arguments, of everything that is made in docker besides nodes; kind labels the nodes. */
export function labelArguments({ paths }: ProgramContext): readonly string[] {
  return [`${clusterLabel}=${paths.name}`, `${stateLabel}=${paths.state}`].flatMap((each) => ['--label', each])
}

/** Was this made for this cluster, by this user? */
export function isOurs({ paths }: ProgramContext, labels: Readonly<Record<string, string>> | null): boolean {
  return labels?.[clusterLabel] === paths.name && labels[stateLabel] === paths.state
}
