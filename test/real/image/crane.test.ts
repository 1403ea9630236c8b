import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { systemClock } from '../../../src/core/clock.ts'
import { copyImage } from '../../../src/image/copy.ts'
import { openDestination, openSource } from '../../../src/image/open.ts'
import { parseReference } from '../../../src/image/reference.ts'
import { validateImage } from '../../../src/image/validate.ts'
import { makeImage, writeIndexLayout, writeLayout } from '../../fixture/image.ts'
import { testImageContext } from '../../fixture/image-context.ts'
import { createNative } from '../../fixture/program.ts'
import { createWorkdir, have } from '../../fixture/real.ts'
import { startDockerRegistry } from './docker-registry.ts'

const isThere = (await have('docker-registry', 'sid:crane')) && process.getuid?.() === 0
const signal = new AbortController().signal
const options = { platform: 'all', preserveDigests: true, signal } as const

/** crane in a folder of its own, and a registry. */
async function start() {
  const work = createWorkdir()
  onTestFinished(() => work.remove())
  const around = testImageContext(work.path, { clock: systemClock })
  await mkdir(join(work.path, 'registry'))
  const { host } = await startDockerRegistry(join(work.path, 'registry'))
  const crane = async (...args: string[]): Promise<string> => {
    const { exitCode, all, stdout } = await work.chroot(['crane', '--insecure', ...args])
    expect(exitCode, all).toBe(0)
    return stdout
  }
  const copy = async (from: string, to: string): Promise<string> => {
    const source = await openSource(parseReference(from), around)
    try {
      return (await copyImage(source, await openDestination(parseReference(to), around), options)).digest
    } finally {
      await source.close()
    }
  }
  const validate = async (place: string) => {
    const source = await openSource(parseReference(place), around)
    try {
      return await validateImage(source, signal)
    } finally {
      await source.close()
    }
  }
  return { path: work.path, host, crane, copy, validate }
}

it.runIf(isThere)('what we push, crane finds valid, and reads with the same digest', async () => {
  const { path, host, crane, copy } = await start()
  const digest = await writeIndexLayout(join(path, 'in'), [
    await makeImage(),
    await makeImage({ architecture: 'arm64' }),
  ])
  expect(await copy(`oci:${path}/in`, `docker://${host}/app:1`)).toBe(digest)
  expect(await crane('digest', `${host}/app:1`)).toBe(digest)
  await crane('validate', '--remote', `${host}/app:1`)
})

it.runIf(isThere)('what the program pushes with a login and over TLS, crane finds valid', async () => {
  const native = await createNative([])
  onTestFinished(native.dispose)
  const work = createWorkdir()
  onTestFinished(() => work.remove())
  const arm = await makeImage({ architecture: 'arm64' })
  const digest = await writeIndexLayout(join(native.home, 'in'), [await makeImage(), arm])
  await mkdir(join(work.path, 'registry'))
  const { host } = await startDockerRegistry(join(work.path, 'registry'), { tls: true, login: 'alice:secret' })
  const auth = Buffer.from('alice:secret').toString('base64')
  const authFile = join(work.path, 'config.json')
  await writeFile(authFile, JSON.stringify({ auths: { [host]: { auth } } }))
  const flags = ['--authfile', authFile, '--dest-tls-verify=false']
  await native.ok('image', 'copy', 'oci:in', `docker://${host}/app:all`, ...flags, '--all', '--preserve-digests')
  await native.ok('image', 'copy', 'oci:in', `docker://${host}/app:arm`, ...flags, '--platform', 'linux/arm64')
  const crane = (...args: string[]) =>
    work.chroot(['crane', '--insecure', ...args], { env: { DOCKER_CONFIG: work.path } })
  expect(await crane('digest', `${host}/app:all`)).toMatchObject({ exitCode: 0, stdout: digest })
  expect(await crane('digest', `${host}/app:arm`)).toMatchObject({ exitCode: 0, stdout: arm.digest })
  for (const tag of ['all', 'arm'])
    expect(await crane('validate', '--remote', `${host}/app:${tag}`)).toMatchObject({ exitCode: 0 })
})

it.runIf(isThere)('what crane writes, we read: a push, a layout, a tarball', async () => {
  const { path, host, crane, copy, validate } = await start()
  const image = await makeImage()
  await writeLayout(join(path, 'in'), image, 'v1')
  await crane('push', join(path, 'in'), `${host}/app:1`)
  expect((await validate(`docker://${host}/app:1`)).digest).toBe(image.digest)
  await crane('pull', '--format=oci', `${host}/app:1`, join(path, 'layout'))
  expect(await copy(`oci:${path}/layout`, `dir:${path}/dir`)).toBe(image.digest)
  await crane('pull', `${host}/app:1`, join(path, 'tarball.tar'))
  expect(await validate(`docker-archive:${path}/tarball.tar`)).toMatchObject({ platforms: ['linux/amd64'], layers: 2 })
})
