import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, open, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openSource } from '../../../src/image/open.ts'
import { hostPlatform } from '../../../src/image/platform.ts'
import { parseReference } from '../../../src/image/reference.ts'
import { type Validated, validateImage } from '../../../src/image/validate.ts'
import { cloneCheckout } from '../../fixture/checkout.ts'
import { testFolder } from '../../fixture/folder.ts'
import { testImageContext } from '../../fixture/image-context.ts'
import { readLayoutFacts } from '../../fixture/layout.ts'
import { root } from '../../fixture/program.ts'
import { createWorkdir, have } from '../../fixture/real.ts'
import { debianBase, emptyBase, haveBase } from './base.ts'
import { startDockerRegistry } from './docker-registry.ts'
import { startDockerd } from './dockerd.ts'

const isRoot = process.getuid?.() === 0
const isThere =
  (await have('docker-registry', 'skopeo', 'umoci', 'npm', 'git', 'sid:crane')) && (await haveBase()) && isRoot
const canRun = isThere && (await have('dockerd', 'docker'))

let folder: string
/** Where the first build keeps its layers. */
const kept = () => ({ XDG_CACHE_HOME: join(folder, 'kept') })

/** The program, run in a clone on another day's clock zone, with nothing that an earlier build has left unless `env` says so. */
async function native(clone: string, args: readonly string[], env: Record<string, string> = {}) {
  const own = await mkdtemp(join(folder, 'own-'))
  const { stdout } = await execa(process.execPath, [join(root, 'bin/run.js'), ...args], {
    cwd: join(folder, clone),
    env: { XDG_CACHE_HOME: own, XDG_CONFIG_HOME: own, XDG_STATE_HOME: own, NO_COLOR: '1', ...env },
    stdin: 'ignore',
  })
  return stdout.trim().split('\n').at(-1) ?? ''
}

async function validated(reference: string): Promise<Validated> {
  const source = await openSource(parseReference(reference), testImageContext(folder))
  try {
    return await validateImage(source, new AbortController().signal)
  } finally {
    await source.close()
  }
}

describe.runIf(isThere)('our image', () => {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'native-image-test-'))
    await cloneCheckout(join(folder, 'one'))
    await mkdir(join(folder, 'deep/er'), { recursive: true })
    await cloneCheckout(join(folder, 'deep/er/two'))
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  it('has one tag in two clones', async () => {
    const tag = await native('one', ['image', 'tag', 'HEAD'])
    expect(tag).toMatch(/^[0-9a-f]{32}$/)
    expect(await native('deep/er/two', ['image', 'tag', 'HEAD'], { TZ: 'Asia/Tokyo', LC_ALL: 'C' })).toBe(tag)
  })

  it('built from two clones is the same to the last byte; skopeo and crane accept it', async () => {
    const digest = await native('one', ['image', 'copy', '--base', debianBase, `oci:${folder}/out`], kept())
    const { stdout: raw } = await execa('skopeo', ['inspect', '--raw', `oci:${folder}/out`], {
      stripFinalNewline: false,
    })
    expect(`sha256:${createHash('sha256').update(raw).digest('hex')}`).toBe(digest)
    expect((await validated(`oci:${folder}/out`)).layers).toBe(4)

    const { host } = await startDockerRegistry(await mkdtemp(join(folder, 'registry-')))
    const image = `${host}/native:test`
    const env = { TZ: 'Asia/Tokyo', LC_ALL: 'C' }
    const args = ['image', 'copy', '--base', debianBase, '--digestfile', join(folder, 'digest'), `docker://${image}`]
    expect(await native('deep/er/two', args, env)).toBe(digest)
    expect(await readFile(join(folder, 'digest'), 'utf8')).toBe(digest)
    const work = createWorkdir()
    try {
      const judged = await work.chroot(['crane', 'validate', '--insecure', '--remote', image])
      expect(judged).toMatchObject({ exitCode: 0, all: expect.stringContaining(`PASS: ${image}`) })
      expect((await work.chroot(['crane', 'digest', '--insecure', image])).stdout).toBe(digest)
    } finally {
      await work.remove()
    }
  })

  it.runIf(canRun)('runs in docker as a user that it does not know, and says its version', async () => {
    const dockerHost = await startDockerd(await testFolder())
    const tag = await native('one', ['image', 'tag'])
    const env = { DOCKER_HOST: dockerHost }
    await native('one', ['image', 'copy', `oci:${folder}/out`, `docker-daemon:native:${tag}`], env)
    const docker = async (...args: string[]) => (await execa('docker', args, { env, all: true })).stdout
    expect(await docker('run', '--rm', `native:${tag}`, '--version')).toMatch(/^native\/\d+\.\d+\.\d+ linux-/)
    const id = ['run', '--rm', '--entrypoint', '/usr/bin/id', `native:${tag}`]
    expect(await docker(...id)).toBe('uid=65532 gid=65532 groups=65532')
  })

  it('is built for another platform than the one that builds', async () => {
    const other = hostPlatform(process.arch).architecture === 'arm64' ? 'amd64' : 'arm64'
    const base = await emptyBase(folder, other)
    // The program's layer is the same on every platform, so the first build's serves; Node and packages are made for this one.
    const args = ['image', 'copy', '--platform', `linux/${other}`, '--base', base, `oci:${folder}/other:1`]
    await native('one', args, kept())
    expect(await validated(`oci:${folder}/other:1`)).toMatchObject({ platforms: [`linux/${other}`], layers: 4 })
    const { config } = await readLayoutFacts(join(folder, 'other'))
    expect(config).toMatchObject({ os: 'linux', architecture: other })
    // The variant of arm64 is v8, and it goes without saying (image-spec, "Platform Variants").
    expect(config.variant ?? 'v8').toBe('v8')
    await execa('umoci', ['unpack', '--image', `${folder}/other:1`, join(folder, 'bundle')])
    const node = await open(join(folder, 'bundle/rootfs/usr/local/bin/node'))
    const machine = Buffer.alloc(2)
    await node.read(machine, 0, 2, 18)
    await node.close()
    // e_machine of ELF: EM_AARCH64, EM_X86_64.
    expect(machine.readUInt16LE()).toBe(other === 'arm64' ? 183 : 62)
  })
})
