import { describe, expect, test } from 'vitest'
import { profileOf } from '../../../src/cli/bazel-profile.ts'
import { bazel, bazelSettings } from '../../../src/cli/client/bazel.ts'
import { blockOf } from '../../../src/cli/client/text.ts'

const addresses = {
  cache: { address: '127.0.0.1:50051', url: 'grpc://127.0.0.1:50051' },
  scheduler: { address: '127.0.0.1:50052', url: 'grpc://127.0.0.1:50052' },
}
const block = (cluster: string, properties: { name: string; value: string }[] = []) =>
  blockOf(bazel, cluster, bazelSettings({ cluster, addresses, properties, jobs: 8 }))

describe('the block', () => {
  test('names both addresses and the instance under --config=lre, between the marks that it always had', () => {
    const lines = block('native').split('\n')
    expect(lines.filter((line) => !line.startsWith('# '))).toEqual([
      'build:lre --remote_cache=grpc://127.0.0.1:50051',
      'build:lre --remote_executor=grpc://127.0.0.1:50052',
      'build:lre --remote_instance_name=main',
      'build:lre --jobs=8',
      'build:lre --remote_retries=10',
      '',
    ])
    expect(lines[0]).toBe('# >>> native: cluster native (kept by "native bazelrc --write") >>>')
    expect(lines.at(-2)).toBe('# <<< native: cluster native <<<')
  })

  test('with a console Bazel tells it of its builds, in a way that never holds them up', () => {
    const console = { address: '127.0.0.1:50053', url: 'grpc://127.0.0.1:50053', hasPage: true }
    const told = bazelSettings({ cluster: 'native', addresses: { ...addresses, console }, properties: [], jobs: 8 })
    expect(told.flatMap(({ lines }) => lines).filter((line) => line.includes('bes_'))).toEqual([
      'build:lre --bes_backend=grpc://127.0.0.1:50053',
      'build:lre --bes_results_url=http://127.0.0.1:50053/build/',
      'build:lre --bes_upload_mode=fully_async',
      'build:lre --nobes_lifecycle_events',
      'build:lre --bes_timeout=60s',
    ])
    expect(block('native')).not.toContain('bes_')
    const away = { ...console, hasPage: false }
    const elsewhere = bazelSettings({
      cluster: 'native',
      addresses: { ...addresses, console: away },
      properties: [],
      jobs: 8,
    })
    expect(elsewhere.flatMap(({ lines }) => lines)).not.toContainEqual(expect.stringContaining('--bes_results_url'))
  })

  test('a cluster of another name has a config of its own', () => {
    expect(block('other')).toContain('build:lre-other --remote_cache=')
  })

  test('a property with a blank is quoted', () => {
    expect(block('native', [{ name: 'a', value: 'b "c"' }])).toContain('"--remote_default_exec_properties=a=b \\"c\\""')
  })
})

test('with TLS the block names the authority, and what Bazel shows', () => {
  const tls = { ca: '/my ca.pem', cert: '/client.pem', key: '/client.key' }
  const endpoint = { address: '127.0.0.1:1', url: 'grpcs://127.0.0.1:1', tls }
  const secure = { cache: endpoint, scheduler: endpoint }
  const text = blockOf(
    bazel,
    'native',
    bazelSettings({ cluster: 'native', addresses: secure, properties: [], jobs: 8 }),
  )
  for (const line of [
    'build:lre --remote_cache=grpcs://127.0.0.1:1',
    'build:lre "--tls_certificate=/my ca.pem"',
    'build:lre --tls_client_certificate=/client.pem',
    'build:lre --tls_client_key=/client.key',
  ])
    expect(text.split('\n')).toContain(line)
})

describe('what the workers tell', () => {
  const worker = (slots: number, image?: string) => ({
    name: 'w',
    slots,
    busy: 0,
    leaving: false,
    version: '1',
    properties: [
      { name: 'OSFamily', value: 'linux' },
      ...(image === undefined ? [] : [{ name: 'container-image', value: image }]),
    ],
  })

  test('more jobs than slots, and never few', () => {
    expect(profileOf([worker(8), worker(8)]).jobs).toBe(32)
    expect(profileOf([]).jobs).toBe(8)
  })

  test('the image is asked for when all have the same', () => {
    expect(profileOf([worker(1, 'a'), worker(1, 'a')]).properties).toEqual([{ name: 'container-image', value: 'a' }])
    expect(profileOf([worker(1, 'a'), worker(1, 'b')]).properties).toEqual([])
    expect(profileOf([worker(1, 'a'), worker(1)]).properties).toEqual([])
  })

  test('a label that would be more than one line is left out', () => {
    expect(profileOf([worker(1, 'docker://a')]).properties).toHaveLength(1)
    expect(profileOf([worker(1, 'docker://a\nbuild --remote_cache=grpc://evil')]).properties).toEqual([])
  })
})
