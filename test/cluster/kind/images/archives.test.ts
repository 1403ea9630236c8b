import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { archiveNames } from '../../../../src/cluster/kind/images/archives.ts'
import { openTar } from '../../../../src/image/tar/writer.ts'
import { testFolder } from '../../../fixture/folder.ts'

async function archive(manifest: string | undefined): Promise<{ folder: string; file: string }> {
  const folder = await testFolder()
  const file = join(folder, 'images.tar')
  const tar = await openTar(file, 0)
  await tar.addBytes('layer.tar', Buffer.from('abc'))
  if (manifest !== undefined) await tar.addBytes('manifest.json', Buffer.from(manifest))
  await tar.finish()
  return { folder, file }
}

const entry = (...tags: string[]) => ({ Config: 'c.json', RepoTags: tags, Layers: ['layer.tar'] })

describe('the names of the images in an archive', () => {
  it('are full ones, of every image in it', async () => {
    const { folder, file } = await archive(JSON.stringify([entry('registry:3', 'quay.io/a/b:1'), entry('me/app:2')]))
    expect(await archiveNames(file, folder)).toEqual([
      'docker.io/library/registry:3',
      'quay.io/a/b:1',
      'docker.io/me/app:2',
    ])
  })

  it('are read from a compressed archive as well', async () => {
    const { folder, file } = await archive(JSON.stringify([entry('a.io/b:1')]))
    await writeFile(`${file}.gz`, gzipSync(await readFile(file)))
    expect(await archiveNames(`${file}.gz`, folder)).toEqual(['a.io/b:1'])
  })

  it.each([
    ['no archive of docker', undefined, 'not-found'],
    ['a damaged one', '[{', 'corrupt'],
    ['one without names', JSON.stringify([{ ...entry(), RepoTags: null }]), 'invalid'],
  ])('are not to be had from %s', async (_, manifest, kind) => {
    const { folder, file } = await archive(manifest)
    await expect(archiveNames(file, folder)).rejects.toMatchObject({ kind })
  })

  it('are not to be had from what is not there', async () => {
    await expect(archiveNames('/nowhere/x.tar', '/tmp')).rejects.toMatchObject({ kind: 'not-found' })
  })
})
