/**
 * The whole authorization policy in one table: each gRPC method and HTTP request, with the right that it needs.
 * Anything not listed is refused. test/access/rights.test.ts checks every entry against every role.
 */

/**
 * `anyone` needs no credentials. `blobs`: find and read blobs. `upload`: store blobs, which are named by their content.
 * `read`: results and build history. `fetch`: have the cache fetch assets. `execute`: run actions, and report builds.
 * `update`: set an action's result, or the value of a key. `work`: be a worker. `meet`: ask the scheduler what a worker
 * needs to know. `redeem`: exchange an invitation for a token. `record`: report what clients do to the history.
 * `administer`: manage the operations of all clients.
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

/** What can be granted. */
export const roles = ['reader', 'runner', 'writer', 'worker', 'admin'] as const
export type Role = (typeof roles)[number]

/**
 * A role; nobody (also with bad credentials); the holder of an invitation; the cache and scheduler of the cluster
 * itself.
 */
export type Standing = Role | 'nobody' | 'invited' | 'scheduler'

const rightsOf: Readonly<Record<Standing, ReadonlySet<Right>>> = {
  nobody: new Set(['anyone']),
  reader: new Set(['anyone', 'blobs', 'read']),
  runner: new Set(['anyone', 'blobs', 'read', 'upload', 'fetch', 'execute']),
  writer: new Set(['anyone', 'blobs', 'read', 'upload', 'fetch', 'execute', 'update']),
  // Inputs, outputs and the worker's stream: results are written by the scheduler.
  worker: new Set(['anyone', 'blobs', 'upload', 'work', 'meet']),
  admin: new Set([
    ...(['anyone', 'blobs', 'read', 'upload', 'fetch', 'execute', 'update'] as const),
    ...(['work', 'meet', 'record', 'administer'] as const),
  ]),
  // An invitation can be exchanged for a worker's token, and is good for nothing else.
  invited: new Set(['anyone', 'meet', 'redeem']),
  // It also signs what it writes to the action cache (wire/signed.ts).
  scheduler: new Set(['anyone', 'blobs', 'read', 'upload', 'update', 'record']),
}

/**
 * Where a message names its instance: field 1 is the name itself, is an `optional` name that may be empty, or is a
 * resource name that begins with it. A method that concerns `all` instances is closed to callers limited to some.
 */
export type InstanceField = 'name' | 'optional' | 'resource' | 'none' | 'all'

const cas = 'build.bazel.remote.execution.v2.ContentAddressableStorage'
const actionCache = 'build.bazel.remote.execution.v2.ActionCache'
const execution = 'build.bazel.remote.execution.v2.Execution'
const bytes = 'google.bytestream.ByteStream'
const operations = 'google.longrunning.Operations'

type Row = readonly [operation: string, right: Right, instance: InstanceField]

const table: readonly Row[] = [
  // They are the same for all instances: `native login` asks for them without knowing any instance.
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
  // An operation's name is known only to whoever started it, and names no instance.
  [`${execution}/WaitExecution`, 'execute', 'none'],
  [`${operations}/GetOperation`, 'execute', 'none'],
  [`${operations}/WaitOperation`, 'execute', 'none'],
  [`${operations}/CancelOperation`, 'execute', 'none'],
  [`${operations}/ListOperations`, 'administer', 'all'],
  [`${operations}/DeleteOperation`, 'administer', 'none'],
  // Fetched content is stored under its own digest, and under its URI for later requests.
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
  // A client's reports of its own builds are kept under their ids.
  ['google.devtools.build.v1.PublishBuildEvent/PublishLifecycleEvent', 'execute', 'none'],
  ['google.devtools.build.v1.PublishBuildEvent/PublishBuildToolEventStream', 'execute', 'none'],
  // A worker receives actions of all instances.
  ['native.worker.v1.Workers/Work', 'work', 'all'],
  ['native.worker.v1.Workers/Introduce', 'meet', 'all'],
  ['native.worker.v1.Workers/Redeem', 'redeem', 'none'],
  ['native.worker.v1.Workers/Retire', 'work', 'none'],
  // Running actions are left out for callers that are limited (scheduler/status.ts).
  ['native.worker.v1.Status/GetStatus', 'read', 'none'],
  ['native.worker.v1.Status/FollowOutput', 'read', 'all'],
  // Probes have no credentials, and this is all that they learn.
  ['grpc.health.v1.Health/Check', 'anyone', 'none'],
  ['grpc.health.v1.Health/Watch', 'anyone', 'none'],
  ['grpc.health.v1.Health/List', 'anyone', 'none'],
  ['grpc.reflection.v1.ServerReflection/ServerReflectionInfo', 'read', 'none'],
  ['grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo', 'read', 'none'],
  // HTTP requests name the instance in their path. HEAD counts as GET.
  ['http/nobody GET', 'anyone', 'none'],
  ['http/console GET', 'read', 'all'],
  ['http/bazel-cas GET', 'blobs', 'none'],
  ['http/bazel-cas PUT', 'upload', 'none'],
  ['http/bazel-ac GET', 'read', 'none'],
  ['http/bazel-ac PUT', 'update', 'none'],
  // What these tools store is found by keys that the client chooses, like action results.
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
  // Turborepo's hit and miss counts.
  ['http/turborepo POST', 'read', 'none'],
]

const rows: ReadonlyMap<string, Row> = new Map(table.map((row) => [row[0], row]))

/** The right that an operation needs; undefined if it is not listed, and so allowed to nobody. */
export function rightFor(operation: string): Right | undefined {
  return rows.get(operation)?.[1]
}

export function isAllowed(standing: Standing, operation: string): boolean {
  const right = rightFor(operation)
  return right !== undefined && rightsOf[standing].has(right)
}

/** Where a method's messages name their instance. */
export function instanceFieldOf(method: string): InstanceField {
  return rows.get(method)?.[2] ?? 'none'
}

/** The roles that may do this, for messages to people. */
export function rolesFor(operation: string): Role[] {
  return roles.filter((role) => isAllowed(role, operation))
}

/** Every operation in the table. */
export function operationsKnown(): string[] {
  return [...rows.keys()]
}
