import { copyFile, mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { execa } from 'execa'
import { describe, expect, it } from 'vitest'
import { buildImage } from '../../../src/image/build/build.ts'
import { copyImage } from '../../../src/image/copy.ts'
import { openDestination, openSource } from '../../../src/image/open.ts'
import { hostPlatform } from '../../../src/image/platform.ts'
import { parseReference } from '../../../src/image/reference.ts'
import { findSources } from '../../../src/image/sources.ts'
import { validateImage } from '../../../src/image/validate.ts'
import { testFolder } from '../../fixture/folder.ts'
import { root } from '../../fixture/program.ts'
import { have } from '../../fixture/real.ts'
import { testSurroundings } from '../../fixture/surroundings.ts'

const isThere = (await have('umoci', 'npm', 'git', 'ldd')) && process.getuid?.() === 0
const checkout = process.env['NATIVE_TEST_CHECKOUT'] ?? root
const signal = new AbortController().signal
const platform = hostPlatform(process.arch)

/** A base with nothing but what the Node binary is linked with, from this machine. */
async function baseOf(folder: string): Promise<string> {
  const files = (await execa('ldd', [process.execPath])).stdout.matchAll(/(\/\S+\.so\S*)/g)
  for (const [file] of files) {
    const to = join(folder, 'base-root', file)
    await mkdir(dirname(to), { recursive: true })
    await copyFile(file, to)
  }
  await mkdir(join(folder, 'base-root/tmp'), { recursive: true })
  const image = `${folder}/base:1`
  await execa('umoci', ['init', '--layout', join(folder, 'base')])
  await execa('umoci', ['new', '--image', image])
  await execa('umoci', ['config', '--image', image, '--architecture', platform.architecture, '--os', 'linux'])
  await execa('umoci', ['insert', '--image', image, join(folder, 'base-root'), '/'])
  return `oci:${image}`
}

describe.runIf(isThere)('our image', () => {
  it('built in two folders from two clones is one image, and its program runs', async () => {
    const folder = await testFolder()
    const base = await baseOf(folder)
    const cache = join(folder, 'cache')
    const build = async (at: string) => {
      await execa('git', ['clone', '--quiet', checkout, join(folder, at)])
      // What is not committed yet has to be in it too, so that this holds before a commit.
      const { stdout: changed } = await execa('git', ['diff', '--binary', 'HEAD'], {
        cwd: checkout,
        stripFinalNewline: false,
      })
      if (changed !== '') await execa('git', ['apply'], { cwd: join(folder, at), input: changed })
      const cwd = join(folder, at)
      const sources = await findSources({
        ref: undefined,
        image: 'native',
        definitionFile: undefined,
        cwd,
        root: cwd,
        cache,
        signal,
      })
      if (!sources) throw new Error('no sources')
      await mkdir(join(folder, `${at}-tmp`))
      const source = await openSource(parseReference(base), testSurroundings(folder))
      return buildImage(sources, {
        platforms: [platform],
        base: source,
        baseName: null,
        epochSeconds: 1,
        cache,
        temporary: join(folder, `${at}-tmp`),
        path: process.env['PATH'] ?? '',
        signal,
      })
    }
    const first = await build('one')
    const second = await build('two')
    expect(second.digest).toBe(first.digest)
    await second.source.close()

    const destination = await openDestination(parseReference(`oci:${folder}/out:native`), testSurroundings(folder))
    await copyImage(first.source, destination, { platform: 'all', preserveDigests: true, signal })
    await first.source.close()
    const written = await openSource(parseReference(`oci:${folder}/out:native`), testSurroundings(folder))
    expect((await validateImage(written, signal)).layers).toBe(4)

    await execa('umoci', ['unpack', '--image', `${folder}/out:native`, join(folder, 'bundle')])
    const argv = [
      '--userspec=65532:65532',
      join(folder, 'bundle/rootfs'),
      '/usr/local/bin/node',
      '/opt/native/bin/run.js',
    ]
    const env = { PATH: '/usr/sbin:/usr/bin', HOME: '/tmp', SHELL: '/bin/sh', NODE_ENV: 'production' }
    const { stdout } = await execa('chroot', [...argv, '--version'], { env, extendEnv: false })
    expect(stdout).toMatch(/^native\/\d+\.\d+\.\d+ linux-/)
  })
})
