import { randomUUID } from 'node:crypto'
import { mkdir, readdir, readFile, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Descriptor } from '../../../src/image/manifest.ts'
import { refNameKey } from '../../../src/image/media/layout.ts'
import { testFolder } from '../../fixture/folder.ts'
import { copy, layoutOf, validate } from './copying.ts'

describe('a layout', () => {
  const ann = { 'org.example.owner': 'somebody' }
  const document = async (folder: string) => JSON.parse(await readFile(join(folder, 'out/index.json'), 'utf8'))

  it('keeps what else its index says', async () => {
    const folder = await testFolder()
    const from = `oci:${await layoutOf(folder)}`
    await copy(folder, from, `oci:${folder}/out:one`)
    const before = await document(folder)
    before.manifests[0].platform = { os: 'linux', architecture: 'amd64', 'os.features': ['x'] }
    before.manifests[0].annotations['org.example.build'] = '7'
    const facts = {
      artifactType: 'application/vnd.example+json',
      annotations: ann,
      'org.example.more': [1, { a: null }],
    }
    await writeFile(join(folder, 'out/index.json'), JSON.stringify({ ...before, ...facts }))
    await copy(folder, from, `oci:${folder}/out:two`)
    const after = await document(folder)
    expect(after).toMatchObject(facts)
    expect(after.manifests).toHaveLength(2)
    expect(after.manifests[0]).toEqual(before.manifests[0])
  })

  it('holds every image of copies that run at the same time', async () => {
    const folder = await testFolder()
    const from = `oci:${await layoutOf(folder)}`
    const names = Array.from({ length: 12 }, (_, at) => `v${at}`)
    await Promise.all(names.map((name) => copy(folder, from, `oci:${folder}/out:${name}`)))
    const found = (await document(folder)).manifests.map((each: Descriptor) => each.annotations?.[refNameKey])
    expect(found.sort()).toEqual(names.sort())
    expect((await readdir(join(folder, 'out'))).sort()).toEqual(['blobs', 'index.json', 'oci-layout'])
  })

  it('whose index says another size of its image is refused', async () => {
    const folder = await testFolder()
    const path = await layoutOf(folder)
    const index = JSON.parse(await readFile(join(path, 'index.json'), 'utf8'))
    index.manifests[0].size += 1
    await writeFile(join(path, 'index.json'), JSON.stringify(index))
    for (const work of [validate(folder, `oci:${path}`), copy(folder, `oci:${path}`, `dir:${folder}/d`)])
      await expect(work).rejects.toMatchObject({ kind: 'corrupt', message: expect.stringContaining('index.json says') })
  })
})

it.each([
  ['a folder that is not there', async () => undefined],
  ['a folder that is something else', (path: string) => mkdir(path)],
])('%s is called no OCI layout', async (_, make) => {
  const folder = await testFolder()
  const path = join(folder, 'in')
  await make(path)
  await expect(copy(folder, `oci:${path}`, `dir:${folder}/d`)).rejects.toMatchObject({
    kind: 'not-found',
    message: 'there is no OCI layout',
    where: path,
  })
})

describe('what killed copies have left', () => {
  it.each([
    ['oci', 'oci:F/out', ['F/out/blobs/sha256/', 'F/out/index.json.']],
    ['dir', 'dir:F/out', ['F/out/', 'F/out/manifest.json.']],
    ['oci-archive', 'oci-archive:F/out/a.tar', ['F/out/a.tar.']],
    ['docker-archive', 'docker-archive:F/out/a.tar', ['F/out/a.tar.']],
  ])('goes a day later, with the next copy into the same place (%s)', async (_, form, places) => {
    const folder = await testFolder()
    const from = `oci:${await layoutOf(folder)}`
    const to = form.replace('F', folder)
    await mkdir(join(folder, 'out'))
    await copy(folder, from, to)
    const before = (await readdir(join(folder, 'out'), { recursive: true })).sort()
    const leftover = (place: string) =>
      `${place.replace('F', folder)}${place.endsWith('.') ? '' : 'ab12.'}${randomUUID()}.partial`
    const [old, young] = [places.map(leftover), places.map(leftover)]
    for (const each of [...old, ...young]) await writeFile(each, 'half')
    const longAgo = new Date(Date.now() - 25 * 60 * 60_000)
    for (const each of old) await utimes(each, longAgo, longAgo)
    await copy(folder, from, to)
    const after = (await readdir(join(folder, 'out'), { recursive: true })).map((each) => join(folder, 'out', each))
    expect(after.sort()).toEqual([...before.map((each) => join(folder, 'out', each)), ...young].sort())
  })

  it('stays where it is of another archive, as does what is only called alike', async () => {
    const folder = await testFolder()
    const longAgo = new Date(Date.now() - 25 * 60 * 60_000)
    const others = [`b.tar.${randomUUID()}.partial`, 'a.tar.partial', `a.tar.${randomUUID()}.partial.txt`]
    for (const each of others) {
      await writeFile(join(folder, each), 'text')
      await utimes(join(folder, each), longAgo, longAgo)
    }
    await copy(folder, `oci:${await layoutOf(folder)}`, `oci-archive:${folder}/a.tar`)
    expect((await readdir(folder)).sort()).toEqual([...others, 'a.tar', 'in'].sort())
  })
})
