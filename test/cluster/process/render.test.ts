import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { clusterPaths } from '../../../src/cluster/process/paths.ts'
import { type Rendered, renderServers } from '../../../src/cluster/process/render.ts'
import { layered } from '../../../src/cluster/shared/deployment-layers.ts'
import { defaultProperties } from '../../../src/cluster/shared/machine.ts'
import { type Deployment, deploymentConfig } from '../../../src/config/deployment.ts'
import { loadConfig } from '../../../src/config/load.ts'
import { parseConfig } from '../../../src/config/parse.ts'
import { testFolder } from '../../fixture/folder.ts'
import { serverConfigs } from '../../fixture/server-configs.ts'

const paths = clusterPaths('native', {
  env: { XDG_STATE_HOME: '/s', XDG_DATA_HOME: '/d' },
  home: '/h',
  tmp: '/tmp',
  uid: 1,
})
const ports = {
  cas: 1,
  scheduler: 2,
  'cas-metrics': 3,
  'scheduler-metrics': 4,
  console: 7,
  'console-metrics': 8,
  'worker-1-metrics': 5,
  'worker-2-metrics': 6,
}
const machine = { platform: 'linux', arch: 'x64', cpus: 2 }

function rendered(deployment: Deployment, release = '1'): Rendered[] {
  return renderServers({ deployment, ports, paths, machine, release, secret: 'a secret', private: false })
}

const byName = (all: readonly Rendered[], name: string) => all.find(({ spec }) => spec.name === name)

describe('the door', () => {
  const settingsOf = (deployment: Deployment, name: string) => parse(byName(rendered(deployment), name)?.text ?? '')
  const own = '/d/native/native/tls'

  it('with TLS is one folder of certificates for all servers, and grpcs:// between them', () => {
    expect(settingsOf({ tls: 'auto' }, 'cas')).toMatchObject({ listen: '127.0.0.1:1', tls: { auto: own } })
    for (const name of ['scheduler', 'worker-1'])
      expect(settingsOf({ tls: 'auto' }, name)).toMatchObject({
        cas: 'grpcs://127.0.0.1:1',
        client_tls: { ca: `${own}/ca.pem` },
      })
    expect(settingsOf({ tls: 'off' }, 'cas')).toEqual(settingsOf({}, 'cas'))
  })

  it('with certificates of the user is known to its own servers by that very certificate', () => {
    const tls = { cert: '/c.pem', key: '/c.key', client_ca: '/clients.pem' }
    expect(settingsOf({ tls }, 'cas').tls).toEqual({
      cert: '/c.pem',
      key: '/c.key',
      client_ca: ['/clients.pem', `${own}/ca.pem`],
      client_cert: 'required',
    })
    expect(settingsOf({ tls }, 'worker-1').client_tls).toEqual({
      pin: '/c.pem',
      cert: `${own}/client.pem`,
      key: `${own}/client.key`,
    })
  })

  it.each([
    ['0.0.0.0', '127.0.0.1:1'],
    ['::', '[::1]:1'],
    ['192.0.2.1', '192.0.2.1:1'],
  ])('on %s is called by its own servers at %s, and metrics stay on the loopback', (listen, called) => {
    const all = rendered({ listen })
    expect(byName(all, 'cas')?.spec.address).toBe(listen === '::' ? '[::]:1' : `${listen}:1`)
    expect(byName(all, 'cas')?.spec.metrics).toBe('127.0.0.1:3')
    expect(settingsOf({ listen }, 'scheduler').cas).toBe(`grpc://${called}`)
  })

  it('has certificates for the names that clients use, which the servers renew for them', () => {
    const tls_hosts = ['build.example.com']
    for (const server of ['cas', 'scheduler'] as const)
      expect(settingsOf({ tls: 'auto', tls_hosts }, server).tls.hosts).toEqual(tls_hosts)
  })

  it('is always one that the servers can read', () => {
    const deployments: Deployment[] = [
      { tls: 'auto', listen: '::' },
      { tls: { client_ca: '/clients.pem' } },
      { tls: 'auto', tls_hosts: ['build.example.com'] },
      { tls: { cert: '/c.pem', key: '/c.key' } },
    ]
    for (const deployment of deployments)
      for (const { spec, text, file } of rendered(deployment)) parseConfig(text, file, serverConfigs[spec.role])
  })
})

describe('the configuration of the servers', () => {
  it('is cas, scheduler and one worker where nothing is asked', () => {
    const all = rendered({})
    expect(all.map(({ spec }) => spec.name)).toEqual(['cas', 'scheduler', 'worker-1', 'console'])
    expect(Object.fromEntries(all.map(({ spec, text }) => [spec.name, parse(text)]))).toMatchInlineSnapshot(`
      {
        "cas": {
          "console": "grpc://127.0.0.1:7",
          "listen": "127.0.0.1:1",
          "metrics": {
            "listen": "127.0.0.1:3",
          },
          "private": false,
          "secret": "/s/native/native/secret",
          "store": {
            "kind": "disk",
            "path": "/d/native/native/cas",
            "size": 10000000000,
          },
        },
        "console": {
          "cas": "grpc://127.0.0.1:1",
          "cas_metrics": "127.0.0.1:3",
          "listen": "127.0.0.1:7",
          "metrics": {
            "listen": "127.0.0.1:8",
          },
          "path": "/d/native/native/console",
          "private": false,
          "scheduler": "grpc://127.0.0.1:2",
          "secret": "/s/native/native/secret",
        },
        "scheduler": {
          "cas": "grpc://127.0.0.1:1",
          "console": "grpc://127.0.0.1:7",
          "listen": "127.0.0.1:2",
          "metrics": {
            "listen": "127.0.0.1:4",
          },
          "private": false,
          "secret": "/s/native/native/secret",
        },
        "worker-1": {
          "cas": "grpc://127.0.0.1:1",
          "directory": "/d/native/native/worker-1",
          "metrics": {
            "listen": "127.0.0.1:5",
          },
          "name": "worker-1",
          "private": false,
          "properties": {
            "ISA": "x86-64",
            "OSFamily": "linux",
            "cpu_count": "2",
            "native:worker": "worker-1",
          },
          "scheduler": "grpc://127.0.0.1:2",
          "secret": "/s/native/native/secret",
          "slots": 2,
        },
      }
    `)
  })

  it('is what the servers take', () => {
    const deployment = parseConfig(
      'workers: 2\nslots: 3\ncache_size: 1GB\nproperties: {pool: [a, b]}\ncas: {drain: 5s, store: {durability: power}}\nscheduler: {timeout: {default: 1m}}\nworker: {cache_size: 2GB}\nconsole: {history: {size: 2GB, days: 7}}\n',
      'd.yaml',
      deploymentConfig,
    )
    for (const { spec, text, file } of rendered(deployment))
      expect(() => parseConfig(text, file, serverConfigs[spec.role])).not.toThrow()
    expect(parse(byName(rendered(deployment), 'cas')?.text ?? '')).toMatchObject({
      drain: '5s',
      store: { kind: 'disk', durability: 'power', size: 1e9 },
    })
  })

  it('has no console where none is wanted, and then nobody tells it anything', () => {
    const all = rendered({ console: false })
    expect(all.map(({ spec }) => spec.name)).toEqual(['cas', 'scheduler', 'worker-1'])
    for (const { text } of all) expect(parse(text).console).toBeUndefined()
    expect(byName(rendered({ console: true }), 'console')?.spec.address).toBe('127.0.0.1:7')
  })

  it('keeps the settings of a console that is merely asked for again', () => {
    const settings = { history: { days: 7 } }
    expect(layered({ console: settings }, { console: true }).console).toEqual(settings)
    expect(layered({ console: settings }, {}).console).toEqual(settings)
    expect(layered({ console: settings }, { console: false }).console).toBe(false)
    expect(layered({ console: false }, { console: true }).console).toBe(true)
  })

  it('has no path for a store in memory', () => {
    const cas = byName(rendered({ cas: { store: { kind: 'memory' } } }), 'cas')
    expect(parse(cas?.text ?? '').store).toEqual({ kind: 'memory', size: 10e9 })
  })

  it('lets a property of the user stand for the usual one, and names each worker', () => {
    const worker = byName(rendered({ properties: { ISA: 'riscv', pool: ['a', 'b'] } }), 'worker-1')
    expect(parse(worker?.text ?? '').properties).toEqual({
      OSFamily: 'linux',
      ISA: 'riscv',
      cpu_count: '2',
      pool: ['a', 'b'],
      'native:worker': 'worker-1',
    })
  })

  it('has the same fingerprint only while text and release are the same', () => {
    const print = (deployment: Deployment, release?: string) =>
      rendered(deployment, release).map(({ spec }) => spec.fingerprint)
    expect(print({ workers: 2 })[0]).toBe(print({})[0])
    expect(print({ cache_size: 5 })[0]).not.toBe(print({})[0])
    expect(print({ cache_size: 5 })[2]).toBe(print({})[2])
    expect(print({}, '2')).not.toEqual(print({}))
  })

  it('gives a server its drain, and a little more, before it is killed', () => {
    expect(byName(rendered({ worker: { drain: '2m' } }), 'worker-1')?.spec.drainMs).toBe(125_000)
  })

  it('has tools that stay only where the deployment turns them on', () => {
    const isOn = (deployment: Deployment) =>
      parseConfig(byName(rendered(deployment), 'worker-1')?.text ?? '', 'worker.yaml', serverConfigs.worker).persistent
        .enabled
    expect(isOn({})).toBe(false)
    expect(isOn({ worker: { persistent: { enabled: true } } })).toBe(true)
  })
})

it('names systems and processors as the platforms of the clients do', () => {
  expect(defaultProperties({ platform: 'darwin', arch: 'arm64', cpus: 8 })).toEqual({
    OSFamily: 'macos',
    ISA: 'aarch64',
    cpu_count: '8',
  })
})

describe('a deployment file', () => {
  it.each([
    ['workers: many', 1, 'workers'],
    ['slots: 0', 1, 'slots'],
    ['\ncache_size: 20XB', 2, 'cache_size'],
    ['workers: 1\ncache_size: 10', 2, 'cache_size: must be at least 64 MiB'],
    ['cas:\n  store:\n    size: 10', 3, 'cas.store.size: must be at least 64 MiB'],
    ['wrokers: 2', 1, 'wrokers'],
    ['cas:\n  listen: 127.0.0.1:1', 2, 'the cluster chooses this'],
    ['worker:\n  drain: soon', 2, 'drain'],
    ['scheduler:\n  lease: 5s\n  nonsense: 1', 3, 'nonsense'],
    ['cas: [1]', 1, 'cas'],
  ])('%j is refused at its line', async (text, line, named) => {
    const file = join(await testFolder(), 'deployment.yaml')
    await writeFile(file, text)
    await expect(loadConfig(file, deploymentConfig)).rejects.toMatchObject({
      kind: 'invalid',
      where: expect.stringMatching(new RegExp(`^${file}:${line}:`)),
      message: expect.stringContaining(named),
    })
  })

  it('may be empty', () => {
    expect(parseConfig('', 'd.yaml', deploymentConfig)).toEqual({})
  })
})
