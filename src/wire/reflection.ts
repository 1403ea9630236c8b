import { decodeMessage } from './decode.ts'
import { reflection } from './proto.ts'
import { Code, type Messages, RpcError, type Send, type Service } from './rpc.ts'

/** More questions in one stream serve nobody. */
const questionsMax = 1000
/** Of a requested name. */
const questionBytesMax = 4096
const versions = ['v1', 'v1alpha'] as const

type Answer = reflection.ServerReflectionResponse.$Properties

/**
 * gRPC server reflection for a server with these services: their names, and the descriptors of everything that they
 * use, so that tools like grpcurl need no .proto files. It reveals nothing that is not public. Both versions of the
 * service have the same messages.
 */
export function reflectionServices(services: readonly Service[]): readonly Service[] {
  const names = [...services.map(({ name }) => name), ...versions.map(serviceName)].toSorted()
  return versions.map((version) => ({
    name: serviceName(version),
    methods: {
      ServerReflectionInfo: {
        kind: 'bidi',
        requestBytesMax: questionBytesMax,
        handle: (requests, _, send) => answerAll(requests, names, send),
      },
    },
  }))
}

function serviceName(version: (typeof versions)[number]): string {
  return `grpc.reflection.${version}.ServerReflection`
}

async function answerAll(requests: Messages, names: readonly string[], send: Send): Promise<void> {
  // Rarely used: not loaded when servers start.
  const { descriptors } = await import('./gen/descriptors.js')
  const files = createFiles(descriptors)
  let asked = 0
  for await (const bytes of requests) {
    asked += 1
    if (asked > questionsMax)
      throw new RpcError(
        Code.RESOURCE_EXHAUSTED,
        `one stream may ask at most ${questionsMax} questions: open another stream`,
      )
    const request = decodeMessage(reflection.ServerReflectionRequest, bytes)
    const answer = { validHost: request.host, originalRequest: request, ...answerOf(request, names, files) }
    await send(reflection.ServerReflectionResponse.encode(answer).finish())
  }
}

function answerOf(request: reflection.ServerReflectionRequest, names: readonly string[], files: Files): Answer {
  switch (request.messageRequest) {
    case 'listServices':
      return { listServicesResponse: { service: names.map((name) => ({ name })) } }
    case 'fileByFilename':
      return fileAnswer(files.named(request.fileByFilename ?? ''), request.fileByFilename)
    case 'fileContainingSymbol':
      return fileAnswer(files.defining(request.fileContainingSymbol ?? ''), request.fileContainingSymbol)
    case 'allExtensionNumbersOfType':
      // Nothing here has extensions: in proto3 only options can be extended.
      return files.defining(request.allExtensionNumbersOfType ?? '')
        ? { allExtensionNumbersResponse: { baseTypeName: request.allExtensionNumbersOfType ?? '' } }
        : unknown(request.allExtensionNumbersOfType)
    case 'fileContainingExtension':
      return unknown(request.fileContainingExtension?.containingType)
    default:
      return error(Code.INVALID_ARGUMENT, 'the request asks for nothing')
  }
}

function fileAnswer(found: readonly Uint8Array[] | undefined, name: string | null | undefined): Answer {
  return found ? { fileDescriptorResponse: { fileDescriptorProto: [...found] } } : unknown(name)
}

function unknown(name: string | null | undefined): Answer {
  return error(Code.NOT_FOUND, `this server knows nothing called "${(name ?? '').slice(0, 200)}"`)
}

function error(errorCode: Code, errorMessage: string): Answer {
  return { errorResponse: { errorCode, errorMessage } }
}

/** Descriptors of files, each followed by those that it imports. */
interface Files {
  named(file: string): Uint8Array[] | undefined
  defining(symbol: string): Uint8Array[] | undefined
}

type Descriptors = typeof import('./gen/descriptors.js')['descriptors']

function createFiles(descriptors: Descriptors): Files {
  const definedIn = new Map(
    Object.entries(descriptors).flatMap(([file, { symbols }]) => symbols.map((symbol) => [symbol, file] as const)),
  )
  const withImports = (file: string, seen: Set<string>): Set<string> => {
    if (seen.has(file)) return seen
    seen.add(file)
    for (const each of descriptors[file]?.imports ?? []) withImports(each, seen)
    return seen
  }
  const named = (file: string) =>
    Object.hasOwn(descriptors, file)
      ? [...withImports(file, new Set())].map((each) => Buffer.from(descriptors[each]?.bytes ?? '', 'base64'))
      : undefined
  return {
    named,
    defining(symbol) {
      const file = definedIn.get(symbol)
      return file === undefined ? undefined : named(file)
    },
  }
}
