import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { manifestsOf } from '../../../src/cluster/manifest/layout.ts'
import { writeManifests } from '../../../src/cluster/manifest/write.ts'
import { testFolder } from '../../fixture/folder.ts'
import { plainRequest } from './request.ts'

const manifests = manifestsOf(plainRequest)

describe('objects as files', () => {
  it('are the objects, and named by the kustomization', async () => {
    const folder = await testFolder()
    const written = await writeManifests(folder, manifests)
    for (const half of ['operations', 'application'] as const) {
      const listed = parseAllDocuments(await readFile(join(folder, half, 'kustomization.yaml'), 'utf8'))[0]?.toJS()
      expect(listed.resources.map((name: string) => join(half, name))).toEqual(
        written.filter((path) => path.startsWith(`${half}/`) && !path.endsWith('kustomization.yaml')),
      )
      for (const { name, objects } of manifests[half]) {
        const read = parseAllDocuments(await readFile(join(folder, half, name), 'utf8')).map((each) => each.toJS())
        expect(read).toEqual(objects)
      }
    }
  })

  it('are the same bytes for the same request, over and over', async () => {
    const folder = await testFolder()
    const texts = async () =>
      Promise.all((await writeManifests(folder, manifests)).map((path) => readFile(join(folder, path), 'utf8')))
    expect(await texts()).toEqual(await texts())
  })

  it('never take the place of files of others', async () => {
    const folder = await testFolder()
    await mkdir(join(folder, 'application'))
    await writeFile(join(folder, 'application/cas.yaml'), 'mine: true\n')
    await expect(writeManifests(folder, manifests)).rejects.toMatchObject({
      kind: 'exists',
      where: join(folder, 'application/cas.yaml'),
    })
    expect(await readFile(join(folder, 'application/cas.yaml'), 'utf8')).toBe('mine: true\n')
    await rm(join(folder, 'application/cas.yaml'))
    await writeManifests(folder, manifests)
  })

  it('say where they cannot be', async () => {
    const folder = await testFolder()
    await writeFile(join(folder, 'file'), '')
    const inside = join(folder, 'file')
    await expect(writeManifests(inside, manifests)).rejects.toMatchObject({
      kind: 'invalid',
      where: expect.stringContaining(inside),
    })
  })
})
