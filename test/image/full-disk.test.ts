import { execFileSync, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmod, type FileHandle, mkdir, mkdtemp, open, readdir, rm, rmdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { copyImage } from '../../src/image/copy.ts'
import { withFileLock } from '../../src/image/media/file-lock.ts'
import { writeWhole } from '../../src/image/media/files.ts'
import { openDestination, openSource } from '../../src/image/open.ts'
import { parseReference } from '../../src/image/reference.ts'
import { testFolder } from '../fixture/folder.ts'
import { makeImage, writeLayout } from '../fixture/image.ts'
import { testImageContext } from '../fixture/image-context.ts'

const signal = new AbortController().signal
const options = { platform: { os: 'linux', architecture: 'amd64' }, preserveDigests: false, signal }
const diskBytes = 2 ** 20

/** Mounts a disk of 1 MiB, where this user may mount. */
function mounted(folder: string): boolean {
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${diskBytes}`, 'tmpfs', folder])
  if (status !== 0) return false
  onTestFinished(() => void execFileSync('umount', ['--lazy', folder]))
  return true
}

const canMount = await (async () => {
  const folder = await mkdtemp(join(tmpdir(), 'nt-disk-'))
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${diskBytes}`, 'tmpfs', folder])
  if (status === 0) execFileSync('umount', [folder])
  await rmdir(folder)
  return status === 0
})()

/** A disk of 1 MiB; where none can be mounted, a folder whose files are refused what is beyond. */
async function smallDisk(): Promise<string> {
  const folder = await testFolder()
  if (mounted(folder)) return folder
  const handle = await open(join(folder, 'x'), 'w')
  const prototype = Object.getPrototypeOf(handle) as FileHandle
  await handle.close()
  await rm(join(folder, 'x'))
  const write = prototype.write
  const spy = vi.spyOn(prototype, 'write').mockImplementation(function (this: FileHandle, ...args: unknown[]) {
    const [, , length, at] = args as [Uint8Array, number, number, number]
    if ((at ?? 0) + (length ?? 0) <= diskBytes) return Reflect.apply(write, this, args)
    const facts = { code: 'ENOSPC', syscall: 'write' }
    return Promise.reject(Object.assign(new Error('ENOSPC: no space left on device, write'), facts))
  } as typeof prototype.write)
  onTestFinished(() => void spy.mockRestore())
  return folder
}

/** Does work as a user who may not do everything. */
async function withoutRoot<T>(work: () => Promise<T>): Promise<T> {
  if (process.getuid?.() !== 0) return work()
  process.seteuid?.('nobody')
  try {
    return await work()
  } finally {
    process.seteuid?.(0)
  }
}

async function copy(folder: string, to: string, changes = {}) {
  const from = join(folder, 'in')
  await rm(from, { recursive: true, force: true })
  await writeLayout(from, await makeImage({ files: [{ large: randomBytes(3_000_000).toString('hex') }] }))
  return copyFrom(folder, to, changes)
}

async function copyFrom(folder: string, to: string, changes = {}) {
  const around = testImageContext(folder, changes)
  const source = await openSource(parseReference(`oci:${folder}/in`), around)
  return copyImage(source, await openDestination(parseReference(to), around), options)
}

const places: [string, string, RegExp][] = [
  ['oci', 'oci:F/out', /^F\/out\/(blobs|oci-layout|index)/],
  ['dir', 'dir:F/out', /^F\/out\/[0-9a-v]/],
  ['oci-archive', 'oci-archive:F/out.tar', /^F\/out\.tar$/],
  ['docker-archive', 'docker-archive:F/out.tar', /^F\/out\.tar$/],
]
const isAt = (disk: string, path: RegExp) =>
  expect.stringMatching(new RegExp(path.source.replaceAll('F', disk.replaceAll('.', '\\.'))))

describe('a disk that is full', () => {
  it.each(places)('is told once, with the path (%s), and nothing half-written stays', async (_, to, path) => {
    const [folder, disk] = [await testFolder(), await smallDisk()]
    await expect(copy(folder, to.replace('F', disk))).rejects.toMatchObject({
      name: 'Failure',
      kind: 'exhausted',
      message: expect.stringMatching(/^cannot write .+: the disk is full/),
      where: isAt(disk, path),
    })
    const left = await readdir(disk, { recursive: true })
    expect(left.filter((each) => /partial|\.tar|index|lock|manifest/.test(each))).toEqual([])
  })

  it('is told of the folder for temporary files too', async () => {
    const [folder, disk] = [await testFolder(), await smallDisk()]
    const copying = copy(folder, 'docker-daemon:app:1', { temporary: disk, dockerHost: `unix://${folder}/none` })
    await expect(copying).rejects.toMatchObject({ kind: 'exhausted', where: isAt(disk, /^F\/native-docker-/) })
    expect(await readdir(disk)).toEqual([])
  })

  it.runIf(canMount)('leaves no lock that nobody holds', async () => {
    const disk = await smallDisk()
    await writeFile(join(disk, 'filler'), Buffer.alloc(diskBytes))
    await expect(withFileLock(join(disk, 'x'), async () => 1)).rejects.toMatchObject({ kind: 'exhausted' })
    expect(await readdir(disk)).toEqual(['filler'])
  })
})

describe.runIf(canMount)('a disk that can only be read', () => {
  it.each(places)('is told once, with the path (%s)', async (_, to, path) => {
    const [folder, disk] = [await testFolder(), await smallDisk()]
    execFileSync('mount', ['-o', 'remount,ro', disk])
    await expect(copy(folder, to.replace('F', disk))).rejects.toMatchObject({
      name: 'Failure',
      kind: 'denied',
      message: expect.stringMatching(/^cannot .+: the file system is read-only/),
      where: isAt(disk, new RegExp(`${path.source}|^F/out$`)),
    })
  })
})

describe('a place that cannot be written', () => {
  it.each(places)('because this user may not is told, with the path (%s)', async (_, to) => {
    const folder = await testFolder()
    await chmod(folder, 0o755)
    await writeLayout(join(folder, 'in'), await makeImage())
    await mkdir(join(folder, 'locked'), { mode: 0o555 })
    const copying = withoutRoot(() => copyFrom(folder, to.replace('F', join(folder, 'locked'))))
    await expect(copying).rejects.toMatchObject({
      name: 'Failure',
      kind: 'denied',
      message: expect.stringMatching(/^cannot .+: permission is denied/),
      where: isAt(join(folder, 'locked'), /^F\/out/),
    })
  })

  it.each(places)('because a file is in the way is told, with the path (%s)', async (_, to) => {
    const folder = await testFolder()
    await writeFile(join(folder, 'file'), 'text')
    await expect(copy(folder, to.replace('F', join(folder, 'file')))).rejects.toMatchObject({
      kind: 'invalid',
      where: expect.stringContaining(join(folder, 'file')),
    })
  })

  it.each(places)('because its name is too long is told (%s)', async (_, to) => {
    const folder = await testFolder()
    await expect(copy(folder, to.replace('F/out', join(folder, 'n'.repeat(300))))).rejects.toMatchObject({
      name: 'Failure',
      kind: 'invalid',
    })
  })

  it.runIf(process.platform === 'linux').each(places)(
    'because the system has no folders there ends (%s)',
    async (_, to) => {
      const folder = await testFolder()
      await expect(copy(folder, to.replace('F', '/proc/native-test'))).rejects.toMatchObject({
        name: 'Failure',
        kind: to.includes('.tar') ? 'not-found' : 'invalid',
      })
    },
  )

  it.each(['oci-archive', 'docker-archive'])('because its folder is not there is told (%s)', async (form) => {
    const folder = await testFolder()
    await expect(copy(folder, `${form}:${folder}/no/a.tar`)).rejects.toMatchObject({
      kind: 'not-found',
      where: join(folder, 'no/a.tar'),
    })
  })
})

describe('what the content of a file fails with', () => {
  it('is not taken for what the disk says', async () => {
    const folder = await testFolder()
    await mkdir(join(folder, 'x'))
    const error = Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES', syscall: 'open' })
    const content = async function* () {
      yield Buffer.from('a')
      throw error
    }
    await expect(writeWhole(join(folder, 'x/y'), content())).rejects.toBe(error)
    expect(await readdir(join(folder, 'x'))).toEqual([])
  })
})
