import { createHash, randomBytes } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/core/clock.ts'
import { type CopyOptions, copyImage } from '../../../src/image/copy.ts'
import { type ImageContext, openDestination, openSource } from '../../../src/image/open.ts'
import { parseReference } from '../../../src/image/reference.ts'
import { validateImage } from '../../../src/image/validate.ts'
import { testFolder } from '../../fixture/folder.ts'
import { makeImage, writeIndexLayout, writeLayout } from '../../fixture/image.ts'
import { testImageContext } from '../../fixture/image-context.ts'
import { have } from '../../fixture/real.ts'
import { startDockerRegistry } from './docker-registry.ts'

const isThere = await have('docker-registry', 'skopeo', 'umoci', 'htpasswd', 'openssl')
const signal = new AbortController().signal
const one: CopyOptions = { platform: { os: 'linux', architecture: 'amd64' }, preserveDigests: false, signal }

async function copy(around: ImageContext, from: string, to: string, options: Partial<CopyOptions> = {}) {
  const source = await openSource(parseReference(from), around)
  try {
    return await copyImage(source, await openDestination(parseReference(to), around), { ...one, ...options })
  } finally {
    await source.close()
  }
}

async function validate(around: ImageContext, reference: string) {
  const source = await openSource(parseReference(reference), around)
  try {
    return await validateImage(source, signal)
  } finally {
    await source.close()
  }
}

const realImageContext = (folder: string, changes: Partial<ImageContext> = {}): ImageContext =>
  testImageContext(folder, { clock: systemClock, ...changes })

const skopeo = (...args: string[]) => execa('skopeo', ['--insecure-policy', ...args])
const digestSaid = async (...args: string[]) =>
  `sha256:${createHash('sha256')
    .update((await skopeo('inspect', '--raw', ...args)).stdout)
    .digest('hex')}`

describe.runIf(isThere)('what we write, skopeo reads', () => {
  it.each(['oci:F/out:name', 'oci-archive:F/out.tar:name', 'dir:F/out'])('%s with the same digest', async (form) => {
    const folder = await testFolder()
    const image = await makeImage()
    await writeLayout(join(folder, 'in'), image)
    const to = form.replace('F', folder)
    await copy(realImageContext(folder), `oci:${folder}/in`, to)
    expect(await digestSaid(to)).toBe(image.digest)
    await skopeo('copy', to, `dir:${folder}/read`)
  })

  it('docker-archive with its name and its layers', async () => {
    const folder = await testFolder()
    await writeLayout(join(folder, 'in'), await makeImage())
    await copy(realImageContext(folder), `oci:${folder}/in`, `docker-archive:${folder}/out.tar:app:1`)
    await skopeo('copy', `docker-archive:${folder}/out.tar:app:1`, `oci:${folder}/read:x`)
    expect(await validate(realImageContext(folder), `oci:${folder}/read:x`)).toMatchObject({ layers: 2 })
  })

  it('a whole index', async () => {
    const folder = await testFolder()
    const digest = await writeIndexLayout(join(folder, 'in'), [
      await makeImage(),
      await makeImage({ architecture: 'arm64' }),
    ])
    const { host } = await startDockerRegistry(folder)
    await copy(realImageContext(folder), `oci:${folder}/in`, `docker://${host}/app:all`, { platform: 'all' })
    expect(await digestSaid('--tls-verify=false', `docker://${host}/app:all`)).toBe(digest)
    await copy(realImageContext(folder), `docker://${host}/app:all`, `oci:${folder}/back`, {
      platform: 'all',
      preserveDigests: true,
    })
    expect((await validate(realImageContext(folder), `oci:${folder}/back`)).digest).toBe(digest)
  })
})

describe.runIf(isThere)('what skopeo and umoci write, we read', () => {
  it.each(['oci:F/w:name', 'oci-archive:F/w.tar:name', 'docker-archive:F/w.tar:app:1', 'dir:F/w'])(
    '%s',
    async (form) => {
      const folder = await testFolder()
      await writeLayout(join(folder, 'in'), await makeImage())
      const written = form.replace('F', folder)
      await skopeo('copy', `oci:${folder}/in`, written)
      expect(await validate(realImageContext(folder), written)).toMatchObject({ platforms: ['linux/amd64'], layers: 2 })
    },
  )

  it('an image that umoci made', async () => {
    const folder = await testFolder()
    await mkdir(join(folder, 'root/etc'), { recursive: true })
    await writeFile(join(folder, 'root/etc/file'), 'text')
    await execa('umoci', ['init', '--layout', join(folder, 'made')])
    await execa('umoci', ['new', '--image', `${folder}/made:v1`])
    await execa('umoci', ['insert', '--image', `${folder}/made:v1`, join(folder, 'root'), '/'])
    expect(await validate(realImageContext(folder), `oci:${folder}/made:v1`)).toMatchObject({ layers: 1 })
    await copy(realImageContext(folder), `oci:${folder}/made:v1`, `oci:${folder}/copied:v1`)
    await execa('umoci', ['unpack', '--rootless', '--image', `${folder}/copied:v1`, join(folder, 'bundle')])
    expect(await readFile(join(folder, 'bundle/rootfs/etc/file'), 'utf8')).toBe('text')
  })
})

describe.runIf(isThere)("Debian's docker-registry", () => {
  const written = async (folder: string) => {
    const image = await makeImage({ files: [{ a: 'a' }, { big: randomBytes(3_000_000).toString('hex') }] })
    await writeLayout(join(folder, 'in'), image)
    return image
  }

  it('takes an image, gives it back, mounts it', async () => {
    const folder = await testFolder()
    const image = await written(folder)
    const { host } = await startDockerRegistry(folder)
    const around = realImageContext(folder)
    expect((await copy(around, `oci:${folder}/in`, `docker://${host}/app:1`)).blobs.written).toBe(3)
    expect((await copy(around, `oci:${folder}/in`, `docker://${host}/app:1`)).blobs.present).toBe(3)
    expect((await copy(around, `docker://${host}/app:1`, `docker://${host}/deep/er/app:1`)).blobs.mounted).toBe(3)
    expect((await copy(around, `docker://${host}/deep/er/app@${image.digest}`, `oci:${folder}/out`)).digest).toBe(
      image.digest,
    )
    expect(await digestSaid('--tls-verify=false', `docker://${host}/deep/er/app:1`)).toBe(image.digest)
  })

  it('is not believed with a certificate that nobody signed, unless told', async () => {
    const folder = await testFolder()
    await written(folder)
    const { host, certificate } = await startDockerRegistry(folder, { tls: true })
    const to = `docker://${host}/app:1`
    await expect(copy(realImageContext(folder), `oci:${folder}/in`, to)).rejects.toMatchObject({ kind: 'denied' })
    await copy(realImageContext(folder, { tlsVerify: false }), `oci:${folder}/in`, to)
    const trusted = join(folder, '.config/containers/certs.d', host)
    await mkdir(trusted, { recursive: true })
    await writeFile(join(trusted, 'ca.crt'), await readFile(certificate))
    expect((await copy(realImageContext(folder), `oci:${folder}/in`, to)).blobs.present).toBe(3)
  })

  it('lets in who has logged in with skopeo', async () => {
    const folder = await testFolder()
    const image = await written(folder)
    const { host } = await startDockerRegistry(folder, { tls: true, login: 'alice:secret' })
    const around = realImageContext(folder, { tlsVerify: false })
    const to = `docker://${host}/app:1`
    await expect(copy(around, `oci:${folder}/in`, to)).rejects.toMatchObject({ kind: 'denied' })
    const authFile = join(folder, 'auth.json')
    await skopeo('login', '--tls-verify=false', '--authfile', authFile, '-u', 'alice', '-p', 'secret', host)
    const login = { ...around.login, authFile }
    expect((await copy({ ...around, login }, `oci:${folder}/in`, to)).digest).toBe(image.digest)
    const creds = ['--tls-verify=false', '--creds', 'alice:secret']
    expect(await digestSaid(...creds, to)).toBe(image.digest)
  })

  it('says that an image is not there', async () => {
    const folder = await testFolder()
    const { host } = await startDockerRegistry(folder)
    await expect(copy(realImageContext(folder), `docker://${host}/none:1`, `oci:${folder}/out`)).rejects.toMatchObject({
      kind: 'not-found',
    })
  })
})
