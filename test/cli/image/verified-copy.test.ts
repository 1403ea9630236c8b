import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { verifierOf } from '../../../src/cli/image/verify.ts'
import { testFolder } from '../../fixture/folder.ts'
import { testImageContext } from '../../fixture/image-context.ts'
import { root } from '../../fixture/program.ts'
import { type RegistryFixture, startRegistry } from '../../fixture/registry/registry.ts'
import { keyPair } from '../../trust/fixture/deployment.ts'
import { putImage, putSignature } from '../../trust/fixture/put.ts'
import { asLayer, signSimple, simplePayload } from '../../trust/fixture/signing.ts'
import { copied } from './copying.ts'

/** `native image copy --verify --key FILE SOURCE oci:FOLDER/out` */
function verifiedCopy(folder: string, source: string, key: string) {
  const around = testImageContext(folder, { retryTimes: 0 })
  const verify = verifierOf({ key, 'insecure-ignore-tlog': true }, { cacheDir: folder, root }, around)
  return copied(folder, { source, destination: `oci:${folder}/out`, around, verify })
}

/** A registry with an image under a tag, signed by a key that stands in a file. */
async function signedImage() {
  const folder = await testFolder()
  const registry = await startRegistry()
  const digest = putImage(registry, '1')
  const keys = keyPair()
  putSignature(registry, digest, asLayer(signSimple(simplePayload(digest), keys.privateKey)), 'sig')
  const key = join(folder, 'cosign.pub')
  await writeFile(key, keys.publicKey.export({ type: 'spki', format: 'pem' }))
  return { folder, registry, digest, key, copy: () => verifiedCopy(folder, `docker://${registry.host}/app:1`, key) }
}

const nothingWritten = async (folder: string): Promise<boolean> => !(await readdir(folder)).includes('out')
const blobsRead = ({ seen }: RegistryFixture): number =>
  seen.filter(({ path }) => path.includes('/blobs/sha256:')).length

describe('image copy --verify', () => {
  it('copies what is signed, by the digest that was judged', async () => {
    const { registry, digest, copy } = await signedImage()
    const done = await copy()
    expect(done).toMatchObject({ digest, result: { blobs: { written: 1 } } })
    expect(done.warnings).toEqual([expect.stringContaining('No transparency log was required')])
    expect(registry.seen.filter(({ path }) => path.endsWith('/manifests/1'))).toHaveLength(1)
  })

  it('copies what was judged even when the tag moves meanwhile', async () => {
    const { registry, digest, copy } = await signedImage()
    registry.fault = ({ path }) => {
      // The signature is asked for after the tag: now somebody pushes another image.
      if (path.endsWith('.sig') && registry.manifests.has('app:1')) putImage(registry, '1', 'evil')
      return undefined
    }
    expect((await copy()).digest).toBe(digest)
  })

  it('refuses what is not signed, and writes nothing', async () => {
    const { folder, registry, key } = await signedImage()
    putImage(registry, '2')
    const error = verifiedCopy(folder, `docker://${registry.host}/app:2`, key)
    await expect(error).rejects.toMatchObject({
      kind: 'denied',
      message: 'the image is refused: unsigned',
      output: expect.stringMatching(/^warning: No transparency log/),
    })
    expect(await nothingWritten(folder)).toBe(true)
    expect(blobsRead(registry)).toBe(0)
  })

  it("refuses another's signature, and says what was wanted", async () => {
    const { folder, registry, key, copy } = await signedImage()
    await writeFile(key, keyPair().publicKey.export({ type: 'spki', format: 'pem' }))
    await expect(copy()).rejects.toMatchObject({ kind: 'denied', where: `docker://${registry.host}/app:1` })
    expect(await nothingWritten(folder)).toBe(true)
  })

  it('refuses an image of which a byte was flipped after it was signed', async () => {
    const { registry, copy } = await signedImage()
    registry.fault = ({ path, method }) => {
      const blob = registry.blobs.get(`app@${path.split('/').at(-1)}`)
      const isConfig = method === 'GET' && blob?.includes('rootfs')
      return isConfig && blob ? { body: Buffer.concat([blob.subarray(0, -1), Buffer.from(']')]) } : undefined
    }
    await expect(copy()).rejects.toMatchObject({ kind: 'corrupt' })
  })

  it('has nothing to judge outside of a registry', async () => {
    const { folder, key } = await signedImage()
    await expect(verifiedCopy(folder, `oci:${folder}`, key)).rejects.toMatchObject({
      kind: 'invalid',
      where: '--verify',
    })
  })
})
