import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { contentDigestOf } from '../../src/image/content-digest.ts'
import { copyImage } from '../../src/image/copy.ts'
import { openKnownBlobs } from '../../src/image/media/registry/known-blobs.ts'
import { openDestination, openSource } from '../../src/image/open.ts'
import { parseReference } from '../../src/image/reference.ts'
import { testFolder } from '../fixture/folder.ts'
import { makeImage, writeLayout } from '../fixture/image.ts'
import { testImageContext } from '../fixture/image-context.ts'
import { startRegistry } from '../fixture/registry/registry.ts'

const digest = contentDigestOf(Buffer.from('a'))

/** A layout, a registry, and copies from the one to the other by somebody who remembers. */
async function place() {
  const folder = await testFolder()
  await writeLayout(join(folder, 'in'), await makeImage())
  const registry = await startRegistry()
  const around = testImageContext(folder, { cacheFolder: join(folder, 'cache') })
  const push = async (to: string) => {
    const source = await openSource(parseReference(`oci:${folder}/in`), around)
    const destination = await openDestination(parseReference(`docker://${registry.host}/${to}`), around)
    const { signal } = around
    return (await copyImage(source, destination, { platform: 'all', preserveDigests: true, signal })).blobs
  }
  return { registry, push }
}

describe('blobs that a registry is known to have', () => {
  it('are mounted from the repository that they were sent to, wherever they come from now', async () => {
    const { push } = await place()
    expect(await push('first:1')).toEqual({ present: 0, mounted: 0, written: 3 })
    expect(await push('second:1')).toEqual({ present: 0, mounted: 3, written: 0 })
    expect(await push('second:2')).toEqual({ present: 3, mounted: 0, written: 0 })
  })

  it('are sent when the registry has them there no more', async () => {
    const { registry, push } = await place()
    await push('first:1')
    registry.blobs.clear()
    expect(await push('second:1')).toEqual({ present: 0, mounted: 0, written: 3 })
  })

  it('are another for each registry', async () => {
    const folder = await testFolder()
    const one = await openKnownBlobs(folder, 'localhost:5000')
    one.saw(digest, 'app')
    await one.keep()
    expect((await openKnownBlobs(folder, 'localhost:5000')).repositoryOf(digest)).toBe('app')
    expect((await openKnownBlobs(folder, 'localhost:5001')).repositoryOf(digest)).toBeUndefined()
  })

  it('are the thousand that were seen last', async () => {
    const folder = await testFolder()
    const known = await openKnownBlobs(folder, 'host')
    for (let at = 0; at < 1100; at += 1) known.saw(contentDigestOf(Buffer.from(`${at}`)), 'app')
    known.saw(contentDigestOf(Buffer.from('0')), 'app')
    await known.keep()
    const later = await openKnownBlobs(folder, 'host')
    const isKnown = (at: number) => later.repositoryOf(contentDigestOf(Buffer.from(`${at}`))) === 'app'
    expect([0, 1, 100, 101, 1099].map(isKnown)).toEqual([true, false, false, true, true])
  })

  it('are none where the file is damaged, and it is written anew', async () => {
    const folder = await testFolder()
    await mkdir(join(folder, 'blobs'))
    for (const text of ['', '{', '[]', '{"version":1,"blobs":[["sha256:zz","app"]]}', 'x'.repeat(3_000_000)]) {
      await writeFile(join(folder, 'blobs/host.json'), text)
      const known = await openKnownBlobs(folder, 'host')
      expect(known.repositoryOf(digest)).toBeUndefined()
      known.saw(digest, 'app')
      await known.keep()
      expect((await openKnownBlobs(folder, 'host')).repositoryOf(digest)).toBe('app')
    }
  })

  it('are forgotten without a word where nothing can be written, and nothing is left there', async () => {
    const folder = await testFolder()
    await writeFile(join(folder, 'blobs'), 'a file')
    const known = await openKnownBlobs(folder, 'host')
    known.saw(digest, 'app')
    await known.keep()
    expect(await readdir(folder)).toEqual(['blobs'])
    expect(await readFile(join(folder, 'blobs'), 'utf8')).toBe('a file')
  })
})
