import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { DriverDeclaration } from '../../src/cluster/declaration.ts'
import type { Driver } from '../../src/cluster/driver.ts'
import { flagsOf, type Operations } from '../../src/cluster/options.ts'
import { testFolder } from '../fixture/folder.ts'
import { ran } from '../fixture/steps.ts'

/** A value of every option that there is, so that one which is added here is asked of every driver. */
const samples: { readonly [O in keyof Operations]: Required<Operations[O]> } = {
  up: {
    retain: true,
    nodes: 1,
    nodeImage: 'kindest/node:v1.37.0',
    kubernetesVersion: '1.37',
    gateway: 'envoy',
    imageArchives: ['a.tar'],
    registryMirrors: ['docker.io=https://mirror.example.com'],
    publish: false,
    atLogin: false,
  },
  deploy: {
    workers: 1,
    slots: 1,
    cacheSizeBytes: 1e9,
    properties: [],
    port: 6000,
    schedulerPort: 6100,
    private: false,
    sandbox: 'off',
    console: true,
    listen: '127.0.0.1',
    tls: 'off',
    tlsCert: 'server.pem',
    tlsKey: 'server.key',
    tlsClientCa: 'ca.pem',
    tlsHosts: ['build.example.com'],
    insecure: false,
    access: 'team',
    configFile: 'd.yaml',
    image: 'example.com/native:1',
    workerImage: 'example.com/tools:1',
    base: 'example.com/base:1',
    workerBase: 'example.com/base:1',
    insecureIgnoreSignature: true,
    only: 'application',
  },
  get render() {
    return { ...this.deploy, folder: 'objects', gateway: 'envoy' as const }
  },
  down: { keepData: true },
  join: {
    url: 'grpcs://build.example.com:50052',
    token: 'token',
    fingerprint: `sha256:${'0'.repeat(64)}`,
    tlsCert: '/client.pem',
    tlsKey: '/client.key',
    worker: 'laptop',
    slots: 1,
    properties: [],
    sandbox: 'off',
  },
}

/** What is always given. */
const given: { readonly [O in keyof Operations]: Operations[O] } = {
  up: { retain: false },
  deploy: {},
  render: { folder: 'objects' },
  down: {},
  join: { url: 'grpcs://build.example.com:50052', token: 'token' },
}

/** What every driver does with options, before there is a cluster and without one. */
export function driverOptionsContract(declaration: DriverDeclaration, open: () => Promise<Driver>): void {
  describe(`options of driver ${declaration.kind}`, () => {
    const operations = (Object.keys(flagsOf) as (keyof Operations)[]).filter((each) => declaration.takes[each])

    it.each(operations)('%s: takes what it declares, and refuses the rest by the flag', async (operation) => {
      const driver = await open()
      for (const [option, flag] of Object.entries<string>(flagsOf[operation])) {
        const options = { ...given[operation], [option]: Reflect.get(samples[operation], option) }
        const call = () => Reflect.apply(driver[operation], driver, [options])
        const taken: readonly string[] = declaration.takes[operation] ?? []
        if (taken.includes(option)) expect(call().length, flag).toBeGreaterThan(0)
        else
          expect(call, flag).toThrow(expect.objectContaining({ where: flag, next: [expect.stringContaining('eave')] }))
      }
    })

    it('compares with the options of a deployment', async () => {
      const driver = await open()
      const taken: readonly string[] = declaration.takes.deploy ?? []
      for (const [option, flag] of Object.entries(flagsOf.deploy))
        if (!taken.includes(option))
          await expect(driver.diff({ [option]: Reflect.get(samples.deploy, option) })).rejects.toMatchObject({
            where: flag,
          })
    })

    it('writes its objects into a folder without any cluster, or says that it has none', async () => {
      const folder = join(await testFolder(), 'objects')
      const driver = await open()
      const rendered = () => ran(driver.render({ folder, image: 'example.com/native:1' }))
      if (!declaration.takes.render) {
        expect(() => driver.render({ folder })).toThrow(expect.objectContaining({ kind: 'unimplemented' }))
        await expect(driver.diff({})).rejects.toMatchObject({ kind: 'unimplemented', where: '--diff' })
        return
      }
      expect((await rendered()).join('\n')).toContain(folder)
      const first = await readFile(join(folder, 'kustomization.yaml'), 'utf8')
      await rendered()
      expect(await readFile(join(folder, 'kustomization.yaml'), 'utf8')).toBe(first)
      expect(await driver.status()).toMatchObject({ state: 'absent' })
    })
  })
}
