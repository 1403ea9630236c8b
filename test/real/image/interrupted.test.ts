import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DockerRegistry, launchDockerRegistry } from '../../fixture/docker-registry.ts'
import { eventually } from '../../fixture/eventually.ts'
import { type ImageFixture, makeImage, sha256, writeLayout } from '../../fixture/image.ts'
import { createNative, type Native, root } from '../../fixture/program.ts'
import { have } from '../../fixture/real.ts'
import { startRelay } from '../../fixture/relay.ts'

const isThere = await have('docker-registry', 'skopeo')
const mebibyte = 2 ** 20

let native: Native
let registry: DockerRegistry
let image: ImageFixture
let large: string

beforeAll(async () => {
  native = await createNative([])
  image = await makeImage({ zstd: true, files: [{ a: 'a' }, { large: randomBytes(24 * mebibyte).toString('latin1') }] })
  large = sha256(image.layers[1] as Buffer)
  await writeLayout(join(native.home, 'in'), image)
  if (isThere) registry = await launchDockerRegistry(await mkdtemp(join(native.home, 'registry-')))
})
afterAll(async () => {
  registry?.stop()
  await native.dispose()
})

/** Copies over a relay that stands still in the middle of the large layer; interrupts it `when` all else is done. */
async function interrupted(from: string, to: string, when: (path: string) => Promise<boolean>): Promise<void> {
  const relay = await startRelay(registry.host, 4 * mebibyte)
  const args = ['image', 'copy', ...[from, to].map((each) => each.replace('RELAY', relay.host))]
  const child = execa(process.execPath, [join(root, 'bin/run.js'), ...args], {
    env: native.env,
    extendEnv: false,
    cwd: native.home,
    reject: false,
    stdin: 'ignore',
  })
  await relay.standing
  await eventually(() => when(native.home), Boolean)
  child.kill('SIGINT')
  const { exitCode, stderr } = await child
  expect({ exitCode, stderr }).toEqual({ exitCode: 130, stderr: 'error: interrupted' })
}

/** What a second try, straight to the registry, had to do. */
async function secondTry(from: string, to: string): Promise<object> {
  const { stdout } = await native.ok('image', 'copy', '--check', '--json', from, to)
  return JSON.parse(stdout)
}

const files = async (folder: string): Promise<string[]> =>
  (await readdir(join(native.home, folder), { recursive: true })).sort()
const status = async (path: string): Promise<number> =>
  (await fetch(`http://${registry.host}/v2/${path}`, { method: 'HEAD' })).status

describe.runIf(isThere)('an interrupt in the middle of', () => {
  it('a push leaves no image, and a second try sends only what is missing', async () => {
    const small = [image.config, image.layers[0] as Buffer].map(sha256)
    await interrupted('oci:in', 'docker://RELAY/app:1', async () => {
      const all = await Promise.all(small.map((each) => status(`app/blobs/${each}`)))
      return all.every((each) => each === 200)
    })
    expect(await status('app/manifests/1')).toBe(404)
    expect(await status(`app/blobs/${large}`)).toBe(404)
    expect(await secondTry('oci:in', `docker://${registry.host}/app:1`)).toMatchObject({
      digest: image.digest,
      checked: true,
      result: { blobs: { present: 2, mounted: 0, written: 1 }, bytes: image.layers[1]?.byteLength },
    })
    await execa('skopeo', ['inspect', '--tls-verify=false', `docker://${registry.host}/app:1`])
  })

  it.each(['oci', 'dir'])(
    'a pull into %s: leaves whole blobs alone, and a second try reads only what is missing',
    async (form) => {
      const from = `docker://${registry.host}/pulled:1`
      await native.ok('image', 'copy', 'oci:in', from)
      const isWhole = (name: string) => /[0-9a-f]{64}$/.test(name)
      await interrupted('docker://RELAY/pulled:1', `${form}:out-${form}`, async () => {
        const there = await files(`out-${form}`)
        return there.filter(isWhole).length === 2 && there.some((each) => each.endsWith('.partial'))
      })
      const left = await files(`out-${form}`)
      expect(left.filter((each) => /partial|index\.json|oci-layout|manifest\.json/.test(each))).toEqual([])
      expect(left.filter(isWhole)).toHaveLength(2)
      expect(await secondTry(from, `${form}:out-${form}`)).toMatchObject({
        digest: image.digest,
        checked: true,
        result: { blobs: { present: 2, mounted: 0, written: 1 } },
      })
      await execa('skopeo', ['inspect', `${form}:${join(native.home, `out-${form}`)}`])
    },
  )

  it.each(['oci-archive', 'docker-archive'])('a pull into %s: leaves nothing', async (form) => {
    await native.ok('image', 'copy', 'oci:in', `docker://${registry.host}/packed:1`)
    const partial = async () => (await files('.')).some((each) => each.startsWith('out.tar.'))
    await interrupted('docker://RELAY/packed:1', `${form}:out.tar`, partial)
    expect((await files('.')).filter((each) => each.startsWith('out.tar'))).toEqual([])
  })
})
