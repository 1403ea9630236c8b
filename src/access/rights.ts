/**
 * What is allowed, in one table: each method of each service and each request of HTTP, with the right that it needs.
 * What does not stand here is refused. test/access/rights.test.ts holds all of them against every role.
 */

/**
 * `anyone` needs no credentials. `blobs`: find and read blobs. `upload`: them, which name themselves. `read`: results, and
 * what was built. `fetch`: have the cache fetch something. `execute`: run actions, and tell of builds. `update`: say what an action's result
 * is, or what a key means. `work`: be a worker. `meet`: ask the scheduler what a worker has to know. `redeem`: exchange an
 * invitation for a token. `record`: tell the history what clients do. `administer`: what concerns
 * the operations of all clients.
 */
export type Right =
  | 'anyone'
  | 'blobs'
  | 'upload'
  | 'read'
  | 'fetch'
  | 'execute'
  | 'update'
  | 'work'
  | 'meet'
  | 'redeem'
  | 'record'
  | 'administer'

/** What can be granted to somebody. */
export const roles = ['reader', 'runner', 'writer', 'worker', 'admin'] as const
export type Role = (typeof roles)[number]

/** Nobody at all, those whose credentials are wrong, who has an invitation, and cache and scheduler of the cluster itself. */
export type Standing = Role | 'nobody' | 'invited' | 'scheduler'

const rightsOf: Readonly<Record<Standing, ReadonlySet<Right>>> = {
  nobody: new Set(['anyone']),
  reader: new Set(['anyone', 'blobs', 'read']),
  runner: new Set(['anyone', 'blobs', 'read', 'upload', 'fetch', 'execute']),
  writer: new Set(['anyone', 'blobs', 'read', 'upload', 'fetch', 'execute', 'update']),
  // Inputs, outputs and the worker's stream: what actions came to is written by the scheduler.
  worker: new Set(['anyone', 'blobs', 'upload', 'work', 'meet']),
  admin: new Set([
    ...(['anyone', 'blobs', 'read', 'upload', 'fetch', 'execute', 'update'] as const),
    ...(['work', 'meet', 'record', 'administer'] as const),
  ]),
  // An invitation is good for a token of a worker, and for nothing else.
  invited: new Set(['anyone', 'meet', 'redeem']),
  // What it writes to the action cache it signs besides (wire/signed.ts).
  scheduler: new Set(['anyone', 'blobs', 'read', 'upload', 'update', 'record']),
}

/**
 * Where the message says for which instance it is: field 1 is the name itself, is `optional`, a name or empty where none is
 * meant, or begins a resource name. What concerns `all` of them is not for those who are limited to some.
 */
export type InstanceField = 'name' | 'optional' | 'resource' | 'none' | 'all'

const cas = 'build.bazel.remote.execution.v2.ContentAddressableStorage'
const actionCache = 'build.bazel.remote.execution.v2.ActionCache'
const execution = 'build.bazel.remote.execution.v2.Execution'
const bytes = 'google.bytestream.ByteStream'
const operations = 'google.longrunning.Operations'

type Row = readonly [operation: string, right: Right, instance: InstanceField]

const table: readonly Row[] = [
  // They are the same for all instances: `native login` asks for them, and knows of none.
  ['build.bazel.remote.execution.v2.Capabilities/GetCapabilities', 'blobs', 'optional'],
  [`${cas}/FindMissingBlobs`, 'blobs', 'name'],
  [`${cas}/BatchReadBlobs`, 'blobs', 'name'],
  [`${cas}/GetTree`, 'blobs', 'name'],
  [`${cas}/SplitBlob`, 'blobs', 'name'],
  [`${cas}/BatchUpdateBlobs`, 'upload', 'name'],
  [`${cas}/SpliceBlob`, 'upload', 'name'],
  [`${bytes}/Read`, 'blobs', 'resource'],
  [`${bytes}/Write`, 'upload', 'resource'],
  [`${bytes}/QueryWriteStatus`, 'upload', 'resource'],
  [`${actionCache}/GetActionResult`, 'read', 'name'],
  [`${actionCache}/UpdateActionResult`, 'update', 'name'],
  [`${execution}/Execute`, 'execute', 'name'],
  // An operation's name is known to whoever began it, and holds no instance.
  [`${execution}/WaitExecution`, 'execute', 'none'],
  [`${operations}/GetOperation`, 'execute', 'none'],
  [`${operations}/WaitOperation`, 'execute', 'none'],
  [`${operations}/CancelOperation`, 'execute', 'none'],
  [`${operations}/ListOperations`, 'administer', 'all'],
  [`${operations}/DeleteOperation`, 'administer', 'none'],
  // What is fetched is stored under its own digest, and under its address for whoever asks next.
  ['build.bazel.remote.asset.v1.Fetch/FetchBlob', 'fetch', 'name'],
  ['build.bazel.remote.asset.v1.Fetch/FetchDirectory', 'fetch', 'name'],
  ['build.bazel.remote.asset.v1.Push/PushBlob', 'update', 'name'],
  ['build.bazel.remote.asset.v1.Push/PushDirectory', 'update', 'name'],
  ['native.console.v1.Recorder/Record', 'record', 'all'],
  ['native.console.v1.History/ListBuilds', 'read', 'all'],
  ['native.console.v1.History/ListActions', 'read', 'all'],
  ['native.console.v1.History/ListEarlier', 'read', 'all'],
  ['native.console.v1.History/ListProducers', 'read', 'all'],
  ['native.console.v1.History/GetBlob', 'read', 'all'],
  ['native.console.v1.History/ListRepeats', 'read', 'all'],
  ['native.console.v1.History/Explain', 'read', 'all'],
  // What a client tells of its own builds is kept under their ids.
  ['google.devtools.build.v1.PublishBuildEvent/PublishLifecycleEvent', 'execute', 'none'],
  ['google.devtools.build.v1.PublishBuildEvent/PublishBuildToolEventStream', 'execute', 'none'],
  // A worker is given the actions of all instances.
  ['native.worker.v1.Workers/Work', 'work', 'all'],
  ['native.worker.v1.Workers/Introduce', 'meet', 'all'],
  ['native.worker.v1.Workers/Redeem', 'redeem', 'none'],
  ['native.worker.v1.Workers/Retire', 'work', 'none'],
  // What runs just now is left out for whoever is limited (scheduler/status.ts).
  ['native.worker.v1.Status/GetStatus', 'read', 'none'],
  ['native.worker.v1.Status/FollowOutput', 'read', 'all'],
  // Probes have no credentials, and learn nothing else.
  ['grpc.health.v1.Health/Check', 'anyone', 'none'],
  ['grpc.health.v1.Health/Watch', 'anyone', 'none'],
  ['grpc.health.v1.Health/List', 'anyone', 'none'],
  ['grpc.reflection.v1.ServerReflection/ServerReflectionInfo', 'read', 'none'],
  ['grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo', 'read', 'none'],
  // The instance of a request of HTTP stands in its path. HEAD counts as GET.
  ['http/nobody GET', 'anyone', 'none'],
  ['http/console GET', 'read', 'all'],
  ['http/bazel-cas GET', 'blobs', 'none'],
  ['http/bazel-cas PUT', 'upload', 'none'],
  ['http/bazel-ac GET', 'read', 'none'],
  ['http/bazel-ac PUT', 'update', 'none'],
  // What these store is found by a key of the client's own, as an action's result is.
  ...['ccache', 'gradle', 'sccache', 'turborepo', 'nx'].flatMap((tool): Row[] => [
    [`http/${tool} GET`, 'read', 'none'],
    [`http/${tool} PUT`, 'update', 'none'],
  ]),
  ['http/ccache DELETE', 'update', 'none'],
  ['http/sccache DELETE', 'update', 'none'],
  ['http/sccache MKCOL', 'update', 'none'],
  ['http/sccache PROPFIND', 'read', 'none'],
  ['http/sccache OPTIONS', 'read', 'none'],
  ['http/turborepo OPTIONS', 'read', 'none'],
  // Turborepo's counts of hits and misses.
  ['http/turborepo POST', 'read', 'none'],
]

const rows: ReadonlyMap<string, Row> = new Map(table.map((row) => [row[0], row]))

/** What an operation needs; undefined for one without an entry, which nobody may use. */
export function rightFor(operation: string): Right | undefined {
  return rows.get(operation)?.[1]
}

/** May whoever stands so do this? */
export function isAllowed(standing: Standing, operation: string): boolean {
  const right = rightFor(operation)
  return right !== undefined && rightsOf[standing].has(right)
}

/** Where the messages of a method name their instance. */
export function instanceFieldOf(method: string): InstanceField {
  return rows.get(method)?.[2] ?? 'none'
}

/** The roles that may do this, for people. */
export function rolesFor(operation: string): Role[] {
  return roles.filter((role) => isAllowed(role, operation))
}

/** Every operation of the table. */
export function operationsKnown(): string[] {
  return [...rows.keys()]
}
