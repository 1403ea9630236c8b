import type { Addresses } from '../../cluster/addresses.ts'
import type { ClusterStatus } from '../../cluster/status.ts'
import type { Parameter } from './tool.ts'

/** The cluster to query. */
export interface Asked {
  addresses(): Promise<Addresses>
  status(): Promise<ClusterStatus>
  /** Where outputs' paths are looked up. */
  readonly folder: string
}

/** Answers are not wrapped to a terminal's width. */
export const columns = Number.POSITIVE_INFINITY
export const buildParameter: Parameter = {
  type: 'string',
  description: 'the beginning of the id of a build, as list_builds has it; the last build by default',
}
