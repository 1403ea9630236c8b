import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { type ImageFixture, makeImage, sha256, writeIndexLayout, writeLayout } from '../fixture/image.ts'
import { createNative, type Native, type Ran } from '../fixture/program.ts'
import { startRegistry } from '../fixture/registry/registry.ts'

let native: Native
let image: ImageFixture
let indexDigest: string
let arm: ImageFixture

beforeAll(async () => {
  native = await createNative([])
  image = await makeImage()
  arm = await makeImage({ architecture: 'arm64' })
  await writeLayout(join(native.home, 'layout'), image, 'v1')
  indexDigest = await writeIndexLayout(join(native.home, 'index'), [image, arm])
  await writeFile(join(native.home, 'file'), 'text')
})
afterAll(() => native.dispose())

const copy = (...args: string[]): Promise<Ran> => native.run('image', 'copy', ...args)
const lastLine = ({ stdout }: Ran): string => stdout.trim().split('\n').at(-1) ?? ''

/** One error, in one line, with its exit code and something to do. */
function expectError(ran: Ran, exitCode: number, message: RegExp): void {
  expect(ran.stderr).toMatch(message)
  expect(ran.exitCode).toBe(exitCode)
  expect(ran.stderr.match(/^error: /gm)).toHaveLength(1)
  expect(ran.stderr).not.toContain('    at ')
  expect(ran.stderr).not.toContain('a bug in `native`')
}

describe('a reference that is malformed', () => {
  it.each([
    ['docker:host/app', /docker: must be followed by \/\/ and the image\n {2}→ For example: docker:\/\/host\/name:tag/],
    ['docker://localhost:5000/App', /"App" must be lower-case\n {2}→ Write it as/],
    ['docker://app:a:b', /cannot be a tag/],
    ['docker://app@sha256:12', /a content digest is sha256: and 64/],
    ['docker-daemon:', /a part of its name is empty or consists of dots\n {2}→ Write it as/],
    ['docker-archive:', /the path is missing\n {2}→ For example: docker-archive:\/tmp\/image\n/],
    ['docker-archive:a.tar:app', /needs a tag\n {2}→ For example: docker-archive:/],
    ['oci:', /the path is missing\n {2}→ For example: oci:\/tmp\/image\n/],
    ['oci:a:!', /"!" cannot be an image's name in an OCI layout\n {2}→ For example: oci:\/tmp\/image:name/],
    ['oci-archive::name', /the path is missing\n {2}→ For example: oci-archive:\/tmp\/image\n/],
    ['dir:', /dir: must be followed by a path\n {2}→ For example: dir:/],
    ['kind:UP', /"UP" cannot be the name of a cluster\n {2}→ For example: kind:\/UP/],
    ['kind:/A', /"A" must be lower-case\n {2}→ Write it as/],
    ['https://host/app', /does not start with a transport\n {2}→ The transports are docker:\/\/, docker-daemon:/],
    ['host/app:1', /does not start with a transport\n {2}→ For example: docker:\/\/host\/app:1/],
  ])('%s is told as source and as destination', async (reference, message) => {
    expectError(await copy(reference, 'oci:never'), 2, message)
    expectError(await copy('oci:layout:v1', reference), 2, message)
    expect(await readdir(native.home)).not.toContain('never')
  })
})

describe('a destination that cannot be written', () => {
  it.each([
    ['oci:file', 5, /something of that name is there already.*\n {2}at file/],
    ['dir:file/x', 2, /"file" is a file, not a folder.*\n {2}at file\/x/],
    ['oci-archive:file', 5, /not an uncompressed image archive.*\n {2}at file\n {2}→ /],
    ['docker-archive:layout', 5, /not an uncompressed image archive.*\n {2}at layout\n {2}→ /],
    ['oci-archive:file/x.tar', 2, /"file" is a file, not a folder.*\n {2}at file\/x.tar\n {2}→ /],
    ['docker-archive:nosuch/x.tar', 3, /there is no such file or folder.*\n {2}at nosuch\/x.tar\n {2}→ Check/],
    ['dir:LONG', 2, /the name is too long/],
  ])('%s is told, and keeps what it is', async (destination, exitCode, message) => {
    expectError(await copy('oci:layout:v1', destination.replace('LONG', 'long'.repeat(100))), exitCode, message)
    expect(await readFile(join(native.home, 'file'), 'utf8')).toBe('text')
    expect((await readdir(native.home)).filter((each) => each.includes('partial'))).toEqual([])
  })

  it('is told for the file of the digest too', async () => {
    const ran = await copy('oci:layout:v1', 'oci:digested', '--digestfile', 'nosuch/digest')
    expectError(ran, 3, /there is no such file or folder.*\n {2}at nosuch\/digest\n {2}→ /)
    await copy('oci:layout:v1', 'oci:digested', '--digestfile', 'digest')
    expect(await readFile(join(native.home, 'digest'), 'utf8')).toBe(image.digest)
  })

  it.each([
    ['that is full', 'size=16k', 6, /the disk is full/],
    ['that can only be read', 'ro', 7, /the file system is read-only/],
  ])('is a disk %s', async (_, options, exitCode, message) => {
    const disk = join(native.home, `disk-${exitCode}`)
    await mkdir(disk)
    if ((await execa('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', disk], { reject: false })).exitCode !== 0) return
    onTestFinished(async () => void (await execa('umount', [disk])))
    const big = await makeImage({ files: [{ big: 'x'.repeat(10_000_000) }] })
    await writeLayout(join(native.home, `big-${exitCode}`), big)
    for (const to of [`oci:${disk}/o`, `dir:${disk}/d`, `oci-archive:${disk}/o.tar`, `docker-archive:${disk}/d.tar`]) {
      expectError(await copy(`oci:big-${exitCode}`, to), exitCode, message)
      const left = await readdir(disk, { recursive: true })
      expect(left.filter((each) => /partial|\.tar|index\.json|manifest\.json/.test(each))).toEqual([])
    }
  })
})

describe('of an index', () => {
  it('the image for this machine is copied, another with --platform, and all with --all', async () => {
    const only = ['--platform', 'linux/arm64', '--preserve-digests']
    expect(lastLine(await copy('oci:index', 'dir:arm', ...only))).toBe(arm.digest)
    expect(lastLine(await copy('oci:index', 'dir:all', '--all', '--preserve-digests', '--check'))).toBe(indexDigest)
    const mine = process.arch === 'arm64' ? arm : image
    expect(lastLine(await copy('oci:index', 'dir:mine'))).toBe(mine.digest)
  })

  it('a platform that is not there is told, and nothing is copied', async () => {
    const ran = await copy('oci:index', 'dir:none', '--platform', 'linux/s390x')
    expectError(ran, 3, /there is no image for linux\/s390x\n.*\n {2}→ It exists for linux\/amd64, linux\/arm64/)
    expectError(
      await copy('oci:index', 'docker-archive:none.tar', '--all'),
      2,
      /can hold only one image, not a whole index/,
    )
    expectError(await copy('oci:index', 'dir:none', '--all', '--platform', 'linux/amd64'), 2, /--platform/)
    expect(await readdir(native.home)).not.toContain('none.tar')
  })
})

describe('--preserve-digests', () => {
  it('keeps the digest where it can be kept, else nothing is written', async () => {
    const docker = await makeImage({ docker: true })
    const folder = join(native.home, 'docker')
    await mkdir(folder)
    await writeFile(join(folder, 'version'), 'Directory Transport Version: 1.1\n')
    await writeFile(join(folder, 'manifest.json'), docker.manifest)
    for (const blob of [docker.config, ...docker.layers]) await writeFile(join(folder, sha256(blob).slice(7)), blob)
    expect(lastLine(await copy('dir:docker', 'dir:kept', '--preserve-digests'))).toBe(docker.digest)
    for (const to of ['oci:refused', 'oci-archive:refused.tar', 'docker-archive:refused.tar']) {
      expectError(await copy('dir:docker', to, '--preserve-digests'), 2, /\n {2}at --preserve-digests/)
      expectError(await copy(to, 'dir:never'), 3, /./)
    }
    expect(lastLine(await copy('dir:docker', 'oci:changed'))).not.toBe(docker.digest)
  })
})

describe('--retry-times', () => {
  it('says how often a registry that is not well is asked again', async () => {
    const registry = await startRegistry()
    let times = 0
    registry.fault = ({ path }) => {
      if (!path.endsWith('/manifests/1')) return undefined
      times += 1
      return times % 3 === 0 ? undefined : { answer: { status: 503, headers: { 'retry-after': '0' } } }
    }
    const to = `docker://${registry.host}/app:1`
    expectError(await copy('oci:layout:v1', to, '--retry-times', '0'), 4, /503/)
    expect(times).toBe(1)
    times = 0
    expect(lastLine(await copy('oci:layout:v1', to, '--retry-times', '2'))).toBe(image.digest)
    expect(times).toBe(3)
    expectError(await copy('oci:layout:v1', to, '--retry-times', '21'), 2, /it must be from 0 to 20/)
  })
})

describe('--expand-max bounds what is compressed', () => {
  it('of an archive, which takes more where more is said', async () => {
    expect((await copy('oci:layout:v1', 'oci-archive:whole.tar')).exitCode).toBe(0)
    await execa('gzip', ['whole.tar'], { cwd: native.home })
    const refused = await copy('--expand-max', '2kB', 'oci-archive:whole.tar.gz', 'oci:too-large')
    expectError(refused, 2, /the gzip stream expands to more than 2.0 KiB\n.*whole\.tar\.gz\n.*--expand-max/)
    expect(await readdir(native.home)).not.toContain('too-large')
    expect((await copy('--expand-max', '1MB', 'oci-archive:whole.tar.gz', 'oci:allowed')).exitCode).toBe(0)
    const inspected = await native.run('image', 'inspect', '--expand-max', '2kB', 'oci-archive:whole.tar.gz')
    expectError(inspected, 2, /expands to more than/)
  })

  it('of a layer, where one is expanded', async () => {
    const checked = (size: string, to: string) => copy('--check', '--expand-max', size, 'oci:layout:v1', to)
    expectError(await checked('100', 'oci:judged'), 2, /the gzip stream expands to more than 100 B\n.*sha256:/)
    expect((await checked('1MB', 'oci:judged-too')).exitCode).toBe(0)
  })

  it.each(['many', '-1', '1.5.2GB', ''])('and is a size: %j', async (size) => {
    expectError(await copy('--expand-max', size, 'oci:layout:v1', 'oci:sized'), 2, /--expand-max/)
  })
})
