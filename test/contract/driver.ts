import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Driver } from '../../src/cluster/driver.ts'
import type { ClusterStatus } from '../../src/cluster/status.ts'
import { ran } from '../fixture/steps.ts'

/** A fresh place for one cluster. */
export interface DriverPlace {
  /** A driver as a new command opens it: several at once must get along. */
  open(): Promise<Driver>
  /** A folder for the test's own files. */
  readonly folder: string
  /** The line of an `up` that found the cluster there; any with "already" by default. */
  readonly already?: RegExp
  dispose(): Promise<void>
}

const once = { follow: false, lines: 5, signal: new AbortController().signal }
const ids = ({ servers }: ClusterStatus) => Object.fromEntries(servers.map(({ name, id }) => [name, id]))

/** Tests of one driver that use the same cluster; the contract holds all the same. */
export interface Between {
  /** Nothing is there yet. */
  beforeUp?(): void
  /** Everything is deployed, with one worker. */
  beforeDown?(): void
}

/** What every driver does; the tests of one run build on each other, as commands do. */
export function driverContract(kind: string, createPlace: () => Promise<DriverPlace>, between: Between = {}): void {
  describe(`driver ${kind}`, () => {
    let place: DriverPlace
    let driver: Driver

    beforeAll(async () => {
      place = await createPlace()
      driver = await place.open()
    })
    afterAll(() => place.dispose())

    it('says that a cluster is absent', async () => {
      expect(await driver.status()).toMatchObject({ state: 'absent', servers: [], addresses: null, problems: [] })
      await expect(driver.addresses()).rejects.toMatchObject({ kind: 'not-found' })
      await expect(
        driver
          .logs({ ...once, servers: [] })
          [Symbol.asyncIterator]()
          .next(),
      ).rejects.toMatchObject({
        kind: 'not-found',
      })
    })

    it('takes down what is not there', async () => {
      await ran(driver.down({}))
      expect(await driver.status()).toMatchObject({ state: 'absent' })
    })

    between.beforeUp?.()

    it('brings a cluster up once, whoever else does so at the same time', async () => {
      const drivers = await Promise.all([place.open(), place.open(), place.open()])
      const lines = await Promise.all(drivers.map((each) => ran(each.up({ retain: false }))))
      expect(await driver.status()).toMatchObject({ state: 'up', servers: [], addresses: null })
      const already = lines.filter((each) => each.some((line) => (place.already ?? /already/).test(line)))
      expect(already).toHaveLength(2)
    })

    it('has no addresses before a deployment', async () => {
      await expect(driver.addresses()).rejects.toMatchObject({ kind: 'not-found' })
    })

    it('refuses a bad configuration file at its line, and changes nothing', async () => {
      const configFile = join(place.folder, 'bad.yaml')
      await writeFile(configFile, 'workers: 1\nslots: none\n')
      await expect(ran(driver.deploy({ configFile }))).rejects.toMatchObject({
        kind: 'invalid',
        where: expect.stringContaining(`${configFile}:2`),
      })
      expect(await driver.status()).toMatchObject({ state: 'up', servers: [] })
    })

    it('deploys until every server answers', async () => {
      await ran(driver.deploy({ workers: 1, slots: 1 }))
      const status = await driver.status()
      expect(status).toMatchObject({ state: 'deployed', problems: [] })
      expect(status.servers.map(({ name, role, state }) => [name, role, state])).toEqual([
        ['cas', 'cas', 'ready'],
        ['scheduler', 'scheduler', 'ready'],
        ['worker-1', 'worker', 'ready'],
        ['console', 'console', 'ready'],
      ])
    })

    it('opens the page of the builds on this machine', async () => {
      const failures: unknown[] = []
      const page = await driver.openPage((error) => failures.push(error))
      try {
        const answer = await fetch(page.url)
        expect([answer.status, await answer.text(), failures]).toEqual([200, expect.stringContaining('No build'), []])
      } finally {
        await page.close?.()
      }
    })

    it('tells addresses that answer', async () => {
      const addresses = await driver.addresses()
      expect((await driver.status()).addresses).toEqual(addresses)
      for (const { address, url } of Object.values(addresses)) expect(url).toBe(`grpc://${address}`)
    })

    it('leaves everything alone when the same is deployed again', async () => {
      const before = ids(await driver.status())
      await ran(driver.deploy({}))
      expect(ids(await driver.status())).toEqual(before)
    })

    it('scales workers up and down, and keeps the rest as it is', async () => {
      const before = ids(await driver.status())
      await ran(driver.deploy({ workers: 2 }))
      const two = ids(await driver.status())
      expect(two).toMatchObject(before)
      expect(Object.keys(two)).toContain('worker-2')
      await ran(driver.deploy({ workers: 1 }))
      expect(ids(await driver.status())).toEqual(before)
    })

    it('restarts only what another setting concerns', async () => {
      const before = ids(await driver.status())
      await ran(driver.deploy({ properties: [{ name: 'pool', value: 'a' }] }))
      const after = ids(await driver.status())
      expect(after['cas']).toBe(before['cas'])
      expect(after['scheduler']).toBe(before['scheduler'])
      expect(after['worker-1']).not.toBe(before['worker-1'])
    })

    it('has logs of each server', async () => {
      const servers = new Set<string>()
      for await (const line of driver.logs({ ...once, servers: [] })) servers.add(line.server)
      expect([...servers]).toEqual(expect.arrayContaining(['cas', 'scheduler', 'worker-1']))
    })

    between.beforeDown?.()

    it('takes the cluster down, twice', async () => {
      await ran(driver.down({}))
      expect(await driver.status()).toMatchObject({ state: 'absent' })
      await ran(driver.down({}))
    })
  })
}
