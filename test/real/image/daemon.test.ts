import { join } from 'node:path'
import { execa } from 'execa'
import { describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/core/clock.ts'
import { copyImage } from '../../../src/image/copy.ts'
import { openDestination, openSource } from '../../../src/image/open.ts'
import { parseReference } from '../../../src/image/reference.ts'
import { validateImage } from '../../../src/image/validate.ts'
import { testFolder } from '../../fixture/folder.ts'
import { makeImage, sha256, writeLayout } from '../../fixture/image.ts'
import { testImageContext } from '../../fixture/image-context.ts'
import { have } from '../../fixture/real.ts'
import { startDockerd } from './dockerd.ts'

const isThere = (await have('dockerd', 'docker')) && process.getuid?.() === 0
const signal = new AbortController().signal
const options = { platform: { os: 'linux', architecture: 'amd64' }, preserveDigests: false, signal }

describe.runIf(isThere)('a real docker daemon', () => {
  it('takes an image, gives it back, and says what it does not have', async () => {
    const folder = await testFolder()
    const dockerHost = await startDockerd(folder)
    const around = testImageContext(folder, { dockerHost, clock: systemClock })
    const copy = async (from: string, to: string) => {
      const source = await openSource(parseReference(from), around)
      try {
        return await copyImage(source, await openDestination(parseReference(to), around), options)
      } finally {
        await source.close()
      }
    }
    await writeLayout(join(folder, 'in'), await makeImage())
    await copy(`oci:${folder}/in`, 'docker-daemon:native-test:1')
    const docker = (...args: string[]) => execa('docker', ['--host', dockerHost, ...args])
    const { stdout } = await docker(
      'image',
      'inspect',
      '--format',
      '{{.Architecture}} {{len .RootFS.Layers}}',
      'native-test:1',
    )
    expect(stdout).toBe('amd64 2')

    await copy('docker-daemon:native-test:1', `oci:${folder}/back`)
    const back = await openSource(parseReference(`oci:${folder}/back`), around)
    expect(await validateImage(back, signal)).toMatchObject({ platforms: ['linux/amd64'], layers: 2 })

    await docker('save', '--output', join(folder, 'saved.tar'), 'native-test:1')
    const saved = await openSource(parseReference(`docker-archive:${folder}/saved.tar:native-test:1`), around)
    expect((await validateImage(saved, signal)).layers).toBe(2)
    await saved.close()

    await expect(copy('docker-daemon:nosuch:1', `oci:${folder}/x`)).rejects.toMatchObject({ kind: 'not-found' })
  })
  it('loads layers of zstd, which it could not read by itself', async () => {
    const folder = await testFolder()
    const dockerHost = await startDockerd(folder)
    const around = testImageContext(folder, { dockerHost, clock: systemClock })
    const image = await makeImage({ zstd: true })
    await writeLayout(join(folder, 'in'), image)
    const source = await openSource(parseReference(`oci:${folder}/in`), around)
    await copyImage(source, await openDestination(parseReference('docker-daemon:zstd:1'), around), options)
    const format = '{{.Id}} {{len .RootFS.Layers}}'
    const inspect = ['--host', dockerHost, 'image', 'inspect', '--format', format, 'zstd:1']
    // docker's id of an image is the digest of its config.
    expect((await execa('docker', inspect)).stdout).toBe(`${sha256(image.config)} 2`)
  })
})
