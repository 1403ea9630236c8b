import { describe, expect, it } from 'vitest'
import type { ClusterStatus } from '../../../src/cluster/status.ts'
import { driverContract } from '../../contract/driver.ts'
import { eventually } from '../../fixture/eventually.ts'
import { createKindNative, dockerHasOf, type KindNative } from '../../fixture/kind.ts'
import { kindParts } from '../../fixture/kind-parts.ts'
import { have } from '../../fixture/real.ts'
import { type Published, startPublished } from './published.ts'

// The contract of drivers in one cluster, and on the way what can go wrong with one: a clear
// error with the next step, nothing lost, and the next call mends it.

const name = 'kc-contract'
const parts = await kindParts()
const isThere = parts !== undefined && (await have('docker-registry', 'skopeo', 'sid:cosign'))

describe.skipIf(!isThere)('a cluster of kind', () => {
  let native: KindNative
  let published: Published

  const up = ['up', '--driver', 'kind', '--name', name]
  const down = ['down', '--name', name]
  const deploy = ['deploy', '--name', name]
  const status = async (): Promise<ClusterStatus> =>
    JSON.parse((await native.ok('status', '--driver', 'kind', '--name', name, '--json')).stdout)
  const containers = async () => (await dockerHasOf(native, name)).filter((line) => line.startsWith('container '))

  async function createPlace() {
    if (!parts) throw new Error('not there')
    native = await createKindNative(parts, name)
    return {
      folder: native.home,
      // What a killed `up` has begun is there already, for the one that mends it.
      already: /^Kind cluster.*already running/,
      open: () => native.open(name),
      async dispose() {
        await published?.dispose()
        await native.dispose()
      },
    }
  }

  driverContract('kind', createPlace, {
    beforeUp() {
      it('a killed up is told by status, and the next one mends it', async () => {
        const killed = native.start(...up)
        await eventually(containers, (lines) => lines.some((line) => line.endsWith('-control-plane')))
        await killed.kill()
        const { state, problems } = await status()
        expect(state).toBe('failed')
        expect(problems.join()).toContain('up')
      })
    },
    beforeDown() {
      it('an image of servers that cannot be pulled is told at once, with the reason, and what ran goes on', async () => {
        const before = await status()
        const images = { server: 'registry.invalid/native:1', worker: 'registry.invalid/native:1' }
        const ran = await (await native.with({ settings: { images } })).run(...deploy)
        expect(ran.exitCode).not.toBe(0)
        expect(ran.stderr).toContain('registry.invalid/native:1')
        expect(ran.stderr).toMatch(/pull|resolve|lookup/)
        const after = await status()
        expect(after.state).toBe('deployed')
        expect(after.servers.map((each) => each.name)).toEqual(before.servers.map((each) => each.name))
        expect(after.addresses).toEqual(before.addresses)
      })

      publishedImages()

      it('after a reboot up starts it again, with the same addresses', async () => {
        const { addresses } = await status()
        await native.docker('stop', ...(await containers()).map((line) => line.split(' ')[1] ?? ''))
        const stopped = await status()
        expect(stopped.state).toBe('failed')
        expect(stopped.problems.join()).toContain('up')
        await native.ok(...up)
        const again = await eventually(status, (each) => each.state === 'deployed', 180_000)
        expect(again.addresses).toEqual(addresses)
        await native.ok('exec', '--name', name, '--', 'true')
      })

      it('a half-done down is gone on with', async () => {
        const killed = native.start(...down)
        const running = () => native.docker('ps', '--quiet', '--filter', `name=${name}-control-plane`)
        await eventually(running, (text) => text === '')
        await killed.kill()
        await native.ok(...down)
        expect(await dockerHasOf(native, name)).toEqual([])
      })
    },
  })

  /** One image of ours, published by another, in a registry that this machine reaches and pods do not. */
  function publishedImages(): void {
    const images = async () => {
      const path = 'jsonpath={.items[*].spec.template.spec.containers[*].image}'
      return new Set((await native.kubectl('get', 'statefulsets,deployments', '--output', path)).split(' '))
    }
    const itsImage = () => new Set([`native-registry:5000/published/team/native@${published.digest}`])

    it('a published image that nobody signed is refused, and taken where its signature is ignored', async () => {
      published = await startPublished(native)
      const before = await images()
      const { run } = await native.with({ settings: { policies: [published.policy] } })
      const refused = await run(...deploy, '--image', published.image)
      expect(refused.exitCode).toBe(7)
      expect(refused.stderr).toContain(`${published.image} is not deployed`)
      expect(refused.stderr).toContain('--insecure-ignore-signature')
      expect(await images()).toEqual(before)
      const taken = await native.ok(...deploy, '--image', published.image, '--insecure-ignore-signature')
      expect(taken.stderr).toContain('taken without a signature (insecure)')
      expect(await images()).toEqual(itsImage())
    })

    it('one that cosign signed is taken by the digest whose signature is good, whatever its tag says then', async () => {
      await published.sign()
      const { ok, run } = await native.with({ settings: { policies: [published.policy] } })
      const taken = await ok(...deploy, '--image', published.image)
      expect(taken.stderr).toContain(published.digest)
      expect(taken.stderr).not.toContain('without a signature')
      expect(await images()).toEqual(itsImage())
      await published.moveTag()
      expect((await run(...deploy, '--image', published.image)).exitCode).toBe(7)
      expect(await images()).toEqual(itsImage())
      expect(await status()).toMatchObject({ state: 'deployed', problems: [] })
    })
  }
})
