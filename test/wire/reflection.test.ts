import protobuf from 'protobufjs'
import descriptor from 'protobufjs/ext/descriptor.js'
import { describe, expect, test } from 'vitest'
import { reflection } from '../../src/wire/proto.ts'
import { reflectionServices } from '../../src/wire/reflection.ts'
import { Code } from '../../src/wire/rpc.ts'
import { openRemote } from '../client/remote.ts'
import { memoryChannel } from '../fixture/memory-channel.ts'

const { services } = openRemote()
const told = reflectionServices(services)
const channel = memoryChannel(told)

async function ask(
  requests: readonly reflection.ServerReflectionRequest.$Properties[],
  version = 'v1',
): Promise<reflection.ServerReflectionResponse[]> {
  async function* encoded() {
    for (const request of requests) yield reflection.ServerReflectionRequest.encode(request).finish()
  }
  const method = `grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`
  const answers: reflection.ServerReflectionResponse[] = []
  for await (const bytes of channel.bidi(method, encoded()))
    answers.push(reflection.ServerReflectionResponse.decode(bytes))
  return answers
}

/** All files of an answer, as a client makes types of them. */
function rootOf(answer: reflection.ServerReflectionResponse | undefined): protobuf.Root {
  const files = (answer?.fileDescriptorResponse?.fileDescriptorProto ?? []).map((bytes) =>
    descriptor.FileDescriptorProto.decode(bytes),
  )
  // biome-ignore lint/suspicious/noExplicitAny: the package's types leave out what it adds to Root
  const root = (protobuf.Root as any).fromDescriptor(descriptor.FileDescriptorSet.create({ file: files }))
  return root.resolveAll()
}

test.each(['v1', 'v1alpha'])('%s lists the services that the server has, and itself', async (version) => {
  const [answer] = await ask([{ host: 'here', listServices: '' }], version)
  expect(answer?.validHost).toBe('here')
  expect(answer?.originalRequest?.listServices).toBe('')
  expect(answer?.listServicesResponse?.service?.map(({ name }) => name)).toEqual(
    [...services, ...told].map(({ name }) => name).toSorted(),
  )
})

test.each([...services, ...told].map(({ name, methods }) => [name, methods] as const))(
  '%s is described whole: every method, its streams, and every type it speaks of',
  async (name, methods) => {
    const root = rootOf((await ask([{ fileContainingSymbol: name }]))[0])
    const described = root.lookupService(name)
    for (const [method, { kind }] of Object.entries(methods)) {
      const found = described.methods[method]
      expect(found?.resolvedRequestType, method).not.toBeNull()
      expect(found?.resolvedResponseType, method).not.toBeNull()
      expect([Boolean(found?.requestStream), Boolean(found?.responseStream)]).toEqual([
        kind === 'client-stream' || kind === 'bidi',
        kind === 'server-stream' || kind === 'bidi',
      ])
    }
  },
)

describe('what a client asks for', () => {
  test('a message, an enumeration inside one, a method, a file', async () => {
    const api = 'build.bazel.remote.execution.v2'
    const answers = await ask([
      { fileContainingSymbol: `${api}.Action` },
      { fileContainingSymbol: `${api}.DigestFunction.Value` },
      { fileContainingSymbol: `${api}.Execution.Execute` },
      { fileByFilename: 'build/bazel/remote/execution/v2/remote_execution.proto' },
    ])
    expect(answers).toHaveLength(4)
    const firsts = answers.map((each) => each.fileDescriptorResponse?.fileDescriptorProto?.[0])
    expect(firsts[0]).toBeDefined()
    for (const first of firsts) expect(first).toEqual(firsts[0])
    const result = rootOf(answers[0]).lookupType(`${api}.ExecuteResponse`)
    expect(result.fields['serverLogs'] ?? result.fields['server_logs']).toMatchObject({ id: 4 })
  })

  test('what is not there is an answer, and the stream goes on', async () => {
    const answers = await ask([
      { fileContainingSymbol: 'no.such.Thing' },
      { fileByFilename: '../package.json' },
      { fileByFilename: 'constructor' },
      { fileContainingExtension: { containingType: 'no.such.Thing', extensionNumber: 1 } },
      { allExtensionNumbersOfType: 'no.such.Thing' },
      { allExtensionNumbersOfType: 'google.protobuf.Any' },
      {},
      { listServices: '*' },
    ])
    expect(answers.map((each) => each.errorResponse?.errorCode)).toEqual([
      ...Array.from({ length: 5 }, () => Code.NOT_FOUND),
      undefined,
      Code.INVALID_ARGUMENT,
      undefined,
    ])
  })

  test('a stream that asks without an end is ended', async () => {
    const endless = Array.from({ length: 1001 }, () => ({ listServices: '' }))
    await expect(ask(endless)).rejects.toMatchObject({ code: Code.RESOURCE_EXHAUSTED })
  })
})
