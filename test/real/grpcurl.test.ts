import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Addresses } from '../../src/cluster/addresses.ts'
import { createNative, type Native } from '../fixture/program.ts'
import { goPrograms, have } from '../fixture/real.ts'

describe.skipIf(!(await have('go:grpcurl')))('grpcurl, without .proto files', () => {
  let native: Native
  let addresses: Addresses
  beforeAll(async () => {
    native = await createNative()
    await native.ok('deploy', '--workers', '0')
    addresses = JSON.parse((await native.ok('ips', '--json')).stdout)
  })
  afterAll(() => native.dispose())

  const grpcurl = async (...args: string[]) =>
    (await execa(join(goPrograms, 'grpcurl'), ['-plaintext', '-max-time', '30', ...args])).stdout

  test.each(['cache', 'scheduler'] as const)('lists and describes all that the %s has', async (server) => {
    const { address } = addresses[server]
    const services = (await grpcurl(address, 'list')).split('\n')
    expect(services).toContain('build.bazel.remote.execution.v2.ContentAddressableStorage')
    expect(services).toContain('grpc.reflection.v1.ServerReflection')
    for (const service of services) {
      const methods = (await grpcurl(address, 'list', service)).split('\n')
      const described = await grpcurl(address, 'describe', service)
      for (const method of methods) expect(described).toContain(`rpc ${method.slice(service.length + 1)} (`)
    }
  })

  test('calls methods, with messages of every depth', async () => {
    const { address } = addresses.scheduler
    const capabilities = 'build.bazel.remote.execution.v2.Capabilities/GetCapabilities'
    const answer = JSON.parse(await grpcurl('-d', '{"instance_name": "main"}', address, capabilities))
    expect(answer.cacheCapabilities.digestFunctions).toContain('SHA256')
    expect(answer.executionCapabilities.execEnabled).toBe(true)
    const missing = await grpcurl(
      '-d',
      JSON.stringify({ blob_digests: [{ hash: '1'.repeat(64), size_bytes: 3 }] }),
      addresses.cache.address,
      'build.bazel.remote.execution.v2.ContentAddressableStorage/FindMissingBlobs',
    )
    expect(JSON.parse(missing).missingBlobDigests).toEqual([{ hash: '1'.repeat(64), sizeBytes: '3' }])
    expect(await grpcurl(address, 'describe', 'build.bazel.remote.execution.v2.ExecuteResponse')).toContain(
      'map<string, .build.bazel.remote.execution.v2.LogFile> server_logs = 4;',
    )
  })
})
