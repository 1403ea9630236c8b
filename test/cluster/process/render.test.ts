import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { clusterPaths } from '../../../src/cluster/process/paths.ts'
import { defaultProperties, type Rendered, renderServers } from '../../../src/cluster/process/render.ts'
import { type Deployment, deploymentConfig } from '../../../src/config/deployment.ts'
import { loadConfig, parseConfig } from '../../../src/config/load.ts'
import { serverConfigs } from '../../../src/config/servers.ts'
import { testFolder } from '../../fixture/folder.ts'

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
  'worker-1-metrics': 5,
  'worker-2-metrics': 6,
}
const machine = { platform: 'linux', arch: 'x64', cpus: 2 }

function rendered(deployment: Deployment, release = '1'): Rendered[] {
  return renderServers({ deployment, ports, paths, machine, release })
}

const byName = (all: readonly Rendered[], name: string) => all.find(({ spec }) => spec.name === name)

describe('the configuration of the servers', () => {
  it('is cas, scheduler and one worker where nothing is asked', () => {
    const all = rendered({})
    expect(all.map(({ spec }) => spec.name)).toEqual(['cas', 'scheduler', 'worker-1'])
    expect(Object.fromEntries(all.map(({ spec, text }) => [spec.name, parse(text)]))).toMatchInlineSnapshot(`
      {
        "cas": {
          "listen": "127.0.0.1:1",
          "metrics": {
            "listen": "127.0.0.1:3",
          },
          "store": {
            "kind": "disk",
            "path": "/d/native/native/cas",
            "size": 10000000000,
          },
        },
        "scheduler": {
          "cas": "grpc://127.0.0.1:1",
          "listen": "127.0.0.1:2",
          "metrics": {
            "listen": "127.0.0.1:4",
          },
        },
        "worker-1": {
          "cas": "grpc://127.0.0.1:1",
          "directory": "/d/native/native/worker-1",
          "metrics": {
            "listen": "127.0.0.1:5",
          },
          "name": "worker-1",
          "properties": {
            "ISA": "x86-64",
            "OSFamily": "linux",
            "cpu_count": "2",
            "native:worker": "worker-1",
          },
          "scheduler": "grpc://127.0.0.1:2",
          "slots": 2,
        },
      }
    `)
  })

  it('is what the servers take', () => {
    const deployment = parseConfig(
      'workers: 2\nslots: 3\ncache_size: 1GB\nproperties: {pool: [a, b]}\ncas: {drain: 5s, store: {durability: power}}\nscheduler: {timeout: {default: 1m}}\nworker: {cache_size: 2GB}\n',
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
