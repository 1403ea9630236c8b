import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { operationsKnown, roles, rolesFor } from '../../src/access/rights.ts'
import { operationOf } from '../../src/cache/http/operation.ts'
import { createReadiness } from '../../src/serve/readiness.ts'
import { healthService } from '../../src/wire/health.ts'
import { reflectionServices } from '../../src/wire/reflection.ts'
import { type Channel, Code, type Method, type Service } from '../../src/wire/rpc.ts'
import { openCache } from '../cache/fixture.ts'
import { root } from '../fixture/program.ts'
import { createWorld } from '../scheduler/world.ts'
import { codeOf, guardedServer, testDoor, testTokens } from './fixture.ts'

const re = 'build.bazel.remote.execution.v2'
const everybody = ['reader', 'runner', 'writer', 'worker', 'admin']
/** Workers need blobs, and nothing of what was built from them. */
const clients = ['reader', 'runner', 'writer', 'admin']
const runners = ['runner', 'writer', 'admin']
const uploaders = ['runner', 'writer', 'worker', 'admin']
const writers = ['writer', 'admin']

/** What each role may do, written down a second time: a change of the table has to be meant. */
const expected: Readonly<Record<string, readonly string[]>> = {
  [`${re}.Capabilities/GetCapabilities`]: everybody,
  [`${re}.ContentAddressableStorage/FindMissingBlobs`]: everybody,
  [`${re}.ContentAddressableStorage/BatchReadBlobs`]: everybody,
  [`${re}.ContentAddressableStorage/GetTree`]: everybody,
  [`${re}.ContentAddressableStorage/SplitBlob`]: everybody,
  [`${re}.ContentAddressableStorage/BatchUpdateBlobs`]: uploaders,
  [`${re}.ContentAddressableStorage/SpliceBlob`]: uploaders,
  'google.bytestream.ByteStream/Read': everybody,
  'google.bytestream.ByteStream/Write': uploaders,
  'google.bytestream.ByteStream/QueryWriteStatus': uploaders,
  [`${re}.ActionCache/GetActionResult`]: clients,
  [`${re}.ActionCache/UpdateActionResult`]: writers,
  [`${re}.Execution/Execute`]: runners,
  [`${re}.Execution/WaitExecution`]: runners,
  'google.longrunning.Operations/GetOperation': runners,
  'google.longrunning.Operations/WaitOperation': runners,
  'google.longrunning.Operations/CancelOperation': runners,
  'google.longrunning.Operations/ListOperations': ['admin'],
  'google.longrunning.Operations/DeleteOperation': ['admin'],
  'build.bazel.remote.asset.v1.Fetch/FetchBlob': runners,
  'build.bazel.remote.asset.v1.Fetch/FetchDirectory': runners,
  'build.bazel.remote.asset.v1.Push/PushBlob': writers,
  'build.bazel.remote.asset.v1.Push/PushDirectory': writers,
  'native.console.v1.Recorder/Record': ['admin'],
  'native.console.v1.History/ListBuilds': clients,
  'native.console.v1.History/ListActions': clients,
  'native.console.v1.History/ListEarlier': clients,
  'native.console.v1.History/ListProducers': clients,
  'native.console.v1.History/GetBlob': clients,
  'native.console.v1.History/ListRepeats': clients,
  'native.console.v1.History/Explain': clients,
  'google.devtools.build.v1.PublishBuildEvent/PublishLifecycleEvent': runners,
  'google.devtools.build.v1.PublishBuildEvent/PublishBuildToolEventStream': runners,
  'native.worker.v1.Workers/Work': ['worker', 'admin'],
  'native.worker.v1.Workers/Introduce': ['worker', 'admin'],
  // For whoever has an invitation, which is no role.
  'native.worker.v1.Workers/Redeem': [],
  'native.worker.v1.Workers/Retire': ['worker', 'admin'],
  'native.worker.v1.Status/GetStatus': clients,
  'native.worker.v1.Status/FollowOutput': clients,
  'grpc.health.v1.Health/Check': everybody,
  'grpc.health.v1.Health/Watch': everybody,
  'grpc.health.v1.Health/List': everybody,
  'grpc.reflection.v1.ServerReflection/ServerReflectionInfo': clients,
  'grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo': clients,
  'http/nobody GET': everybody,
  'http/console GET': clients,
  'http/bazel-cas GET': everybody,
  'http/bazel-cas PUT': uploaders,
  'http/bazel-ac GET': clients,
  'http/bazel-ac PUT': writers,
  'http/ccache GET': clients,
  'http/ccache PUT': writers,
  'http/ccache DELETE': writers,
  'http/gradle GET': clients,
  'http/gradle PUT': writers,
  'http/sccache GET': clients,
  'http/sccache PUT': writers,
  'http/sccache DELETE': writers,
  'http/sccache MKCOL': writers,
  'http/sccache PROPFIND': clients,
  'http/sccache OPTIONS': clients,
  'http/turborepo GET': clients,
  'http/turborepo PUT': writers,
  'http/turborepo OPTIONS': clients,
  'http/turborepo POST': clients,
  'http/nx GET': clients,
  'http/nx PUT': writers,
}
/** What tells of all instances, or takes from all: not for those who are limited to some. */
const ofAll = [
  'google.longrunning.Operations/ListOperations',
  'native.console.v1.Recorder/Record',
  ...['ListBuilds', 'ListActions', 'ListEarlier', 'ListProducers', 'GetBlob', 'ListRepeats', 'Explain'].map(
    (each) => `native.console.v1.History/${each}`,
  ),
  'native.worker.v1.Workers/Work',
  'native.worker.v1.Workers/Introduce',
  'native.worker.v1.Status/FollowOutput',
]
/** Those who need no credentials. */
const open = [
  'grpc.health.v1.Health/Check',
  'grpc.health.v1.Health/Watch',
  'grpc.health.v1.Health/List',
  'http/nobody GET',
]

describe('the table of rights', () => {
  test('says of each operation who may use it', () => {
    expect(Object.fromEntries(operationsKnown().map((each) => [each, rolesFor(each)]))).toEqual(expected)
  })

  test('has every method of our .proto files that is served', () => {
    const served = new Set([...allServices().flatMap(namesOf)])
    expect([...served].filter((each) => !(each in expected))).toEqual([])
    expect(protoMethods().filter((each) => /^(?:native|build)\./.test(each) && !(each in expected))).toEqual([])
  })

  test('is kept by a real server, method by method and role by role', async () => {
    const { file, tokens } = await testTokens(...roles.map((role) => ({ name: role, role })))
    const { door } = await testDoor({ anonymous: 'none', tokens: file })
    const services = [...allServices(), unlisted].map(answering)
    const server = await guardedServer(services, door)
    const visitors = [
      ...roles.map((role, at) => ({ role, channel: server.as(`Bearer ${tokens[at]}`) })),
      { role: 'nobody', channel: server.as(undefined) },
    ]
    for (const service of services)
      for (const [name, method] of Object.entries(service.methods)) {
        const operation = `${service.name}/${name}`
        for (const { role, channel } of visitors) {
          const isRole = roles.some((each) => each === role)
          const allowed = open.includes(operation) || (isRole && expected[operation]?.includes(role))
          const denied = isRole ? Code.PERMISSION_DENIED : Code.UNAUTHENTICATED
          expect([operation, role, await codeOf(called(channel, operation, method))]).toEqual([
            operation,
            role,
            allowed ? Code.OK : denied,
          ])
        }
      }
  })

  test('refuses what concerns all instances to those who are limited to some', async () => {
    const { file, tokens } = await testTokens({ role: 'admin', instances: [''] })
    const { door } = await testDoor({ anonymous: 'none', tokens: file })
    const methods = operationsKnown().filter((each) => each.includes('.') && !each.endsWith('/Redeem'))
    const services = methods.map((each): Service => {
      const [name = '', method = ''] = each.split('/')
      return { name, methods: { [method]: { kind: 'unary', handle: () => Buffer.alloc(0) } } }
    })
    const server = await guardedServer(merged(services), door, {
      handle: async (exchange) => exchange.respond(200),
      operationOf: ({ path }) => ({ name: path === '/' ? 'http/console GET' : 'http/bazel-ac GET', instance: '' }),
    })
    const channel = server.as(`Bearer ${tokens[0]}`)
    const refused: string[] = []
    for (const method of methods)
      if ((await codeOf(channel.unary(method, Buffer.alloc(0)))) === Code.PERMISSION_DENIED) refused.push(method)
    expect(refused.toSorted()).toEqual([...ofAll].toSorted())
    const get = async (path: string) =>
      (await fetch(`http://${server.address}${path}`, { headers: { authorization: `Bearer ${tokens[0]}` } })).status
    expect([await get('/'), await get('/ac/x')]).toEqual([403, 200])
  })

  test('is kept for requests of HTTP: tool by tool, verb by verb and role by role', async () => {
    const { file, tokens } = await testTokens(...roles.map((role) => ({ name: role, role })))
    const { door } = await testDoor({ anonymous: 'none', tokens: file })
    const handle = async (exchange: { respond(status: number): void }) => exchange.respond(200)
    const server = await guardedServer([], door, { handle, operationOf })
    const hash = 'ab'.repeat(32)
    const paths = [
      '/',
      `/cas/${hash}`,
      `/ac/${hash}`,
      `/ccache/k`,
      `/gradle/k`,
      `/sccache/`,
      `/sccache/k`,
      `/v8/artifacts/k`,
      `/v8/artifacts/status`,
      `/v8/artifacts/events`,
      `/v1/cache/k`,
      `/team/blake3/cas/${hash}`,
      `/team/blake3/ac/${hash}`,
      // Leads nowhere, which whoever has a role may be told.
      `/s3/k`,
    ]
    for (const path of paths)
      for (const method of ['GET', 'HEAD', 'PUT', 'DELETE', 'POST', 'MKCOL', 'PROPFIND', 'OPTIONS', 'PATCH']) {
        const operation = operationOf({ path, method })?.name
        const allowed = operation === undefined ? roles : (expected[operation] ?? [])
        const asking = (authorization?: string) =>
          fetch(`http://${server.address}${path}`, { method, ...(authorization && { headers: { authorization } }) })
        const ask = async (authorization: string) => (await asking(authorization)).status
        for (const [at, role] of roles.entries())
          expect([method, path, role, await ask(`Bearer ${tokens[at]}`)]).toEqual([
            method,
            path,
            role,
            allowed.includes(role) ? 200 : 403,
          ])
        const { status, headers } = await asking()
        const challenge = headers.get('www-authenticate')?.includes('Basic realm="native"') ?? false
        const isOpen = operation !== undefined && open.includes(operation)
        expect([method, path, status, challenge]).toEqual([method, path, isOpen ? 200 : 401, !isOpen])
      }
  })
})

const unlisted: Service = {
  name: 'test.Unlisted',
  methods: { Anything: { kind: 'unary', handle: (request) => request } },
}

/** All that cache, scheduler and worker serve. */
function allServices(): Service[] {
  const world = createWorld()
  const cache = openCache().services
  const own = [...cache, ...world.scheduler.services.filter(({ name }) => !cache.some((each) => each.name === name))]
  const health = healthService(createReadiness([], true))
  return [...own, health, ...reflectionServices(own)]
}

/** One service of each name. */
function merged(services: readonly Service[]): Service[] {
  const byName = Object.groupBy(services, ({ name }) => name)
  return Object.entries(byName).map(([name, all = []]) => ({
    name,
    methods: Object.assign({}, ...all.map(({ methods }) => methods)),
  }))
}

function namesOf({ name, methods }: Service): string[] {
  return Object.keys(methods).map((method) => `${name}/${method}`)
}

/** The same methods, which answer at once: whether they are reached is what is asked. */
function answering(service: Service): Service {
  return {
    name: service.name,
    methods: Object.fromEntries(Object.entries(service.methods).map(([name, { kind }]) => [name, answer(kind)])),
  }
}

function answer(kind: Method['kind']): Method {
  const nothing = Buffer.alloc(0)
  if (kind === 'unary') return { kind, handle: () => nothing }
  if (kind === 'client-stream') return { kind, handle: async () => nothing }
  if (kind === 'server-stream') return { kind, handle: async () => undefined }
  return { kind, handle: async () => undefined }
}

async function called(channel: Channel, operation: string, { kind }: Method): Promise<void> {
  if (kind === 'unary') await channel.unary(operation, Buffer.alloc(0))
  else if (kind === 'client-stream') await channel.clientStream(operation, nothingAtAll())
  else {
    const answers =
      kind === 'bidi' ? channel.bidi(operation, nothingAtAll()) : channel.serverStream(operation, Buffer.alloc(0))
    for await (const _ of answers);
  }
}

async function* nothingAtAll(): AsyncIterable<Uint8Array> {
  // Ends at once.
}

/** `package.Service/Method` of each rpc that a .proto file declares. */
function protoMethods(): string[] {
  const folder = join(root, 'protos')
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.proto'))
    .flatMap((path) => {
      const text = readFileSync(join(folder, path), 'utf8')
      const [, name = ''] = /^package ([\w.]+);/m.exec(text) ?? []
      return [...text.matchAll(/^service (\w+) \{([\s\S]*?)^\}/gm)].flatMap(([, service, body = '']) =>
        [...body.matchAll(/^\s*rpc (\w+)/gm)].map(([, method]) => `${name}.${service}/${method}`),
      )
    })
}
