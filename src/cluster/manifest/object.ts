/** A Kubernetes object as data; the API server validates everything besides these three. */
export interface KubeObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: Metadata
  readonly [field: string]: unknown
}

export interface Metadata {
  readonly name: string
  readonly namespace?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
}

/** Objects that are written to one file, or applied together. */
export interface ObjectFile {
  /** Relative, without a folder, ends with .yaml. */
  readonly name: string
  readonly objects: readonly KubeObject[]
}

/** Recommended labels (kubernetes.io, "Recommended Labels"): all our objects have them. */
export const partOf = { 'app.kubernetes.io/part-of': 'native' } as const

/** What selects the pods of one server. It may never change: a workload's selector is immutable. */
export function selectorOf(server: string): Record<string, string> {
  return { 'app.kubernetes.io/name': server, ...partOf }
}

/** The labels of objects that belong to one server. */
export function labelsOf(server: string): Record<string, string> {
  return { ...selectorOf(server), 'app.kubernetes.io/managed-by': 'native' }
}

/** A namespaced object. */
export function objectOf(
  apiVersion: string,
  kind: string,
  metadata: Metadata,
  rest: Readonly<Record<string, unknown>>,
): KubeObject {
  return { apiVersion, kind, metadata, ...rest }
}
