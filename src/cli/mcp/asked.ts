import type { Addresses, ClusterStatus } from '../../cluster/driver.ts'
import type { Parameter } from './tool.ts'

/** The cluster that is asked. */
export interface Asked {
  addresses(): Promise<Addresses>
  status(): Promise<ClusterStatus>
  /** Where paths of outputs are looked for. */
  readonly folder: string
}

/** Answers are not cut to the width of a terminal. */
export const columns = Number.POSITIVE_INFINITY
export const buildParameter: Parameter = {
  type: 'string',
  description: 'the beginning of the id of a build, as list_builds has it; the last build by default',
}
