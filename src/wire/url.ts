import { Failure } from '../core/failure.ts'

/**
 * The `host:port` of a `grpc://host:port`; without a port it is 80, as Bazel has it.
 * @throws Failure 'invalid' for another form of address
 */
export function addressIn(url: string): string {
  const match = /^grpc:\/\/(\[[0-9a-fA-F:]+\]|[^\s:/@]+)(:\d{1,5})?\/?$/.exec(url)
  if (!match?.[1]) throw new Failure('invalid', 'expected an address like grpc://127.0.0.1:50051', { where: url })
  return `${match[1]}${match[2] ?? ':80'}`
}
