import { randomBytes } from 'node:crypto'
import { appendFile, mkdir, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type KeptLayers, keptLayers, layerKey } from '../../../src/image/build/kept-layers.ts'
import { type WrittenLayer, writeLayer } from '../../../src/image/build/layer.ts'
import { testFolder } from '../../fixture/folder.ts'

const signal = new AbortController().signal
const key = layerKey(['a'])

/** A layer with a file of so many random bytes in it: as large as it is, since they do not compress. */
async function layer(folder: string, name: string, bytes = 100): Promise<WrittenLayer> {
  const from = join(folder, `${name}.content`)
  await writeFile(from, randomBytes(bytes))
  const entry = { kind: 'file', path: '/f', from, size: bytes, executable: false } as const
  return writeLayer([entry], join(folder, name), 1, signal)
}

async function kept(changes: { bytesMax?: number } = {}) {
  const folder = await testFolder()
  const said: string[] = []
  const at = join(folder, 'layers')
  const layers: KeptLayers = keptLayers(at, changes.bytesMax)
  let taken = 0
  return {
    folder,
    at,
    said,
    layers,
    take: (of: string) => layers.take(of, join(folder, `taken-${taken++}`), (text) => said.push(text)),
  }
}

describe('kept layers', () => {
  it('come out as they went in, also after they were dropped meanwhile', async () => {
    const { folder, at, layers, take, said } = await kept()
    expect(await take(key)).toBeUndefined()
    const before = await layer(folder, 'one')
    await layers.keep(key, before)
    const after = await take(key)
    expect(after).toMatchObject({ descriptor: before.descriptor, diffId: before.diffId })
    await keptLayers(at, 0).keep(layerKey(['b']), await layer(folder, 'two'))
    expect(await take(key)).toBeUndefined()
    expect(await readFile(after?.file ?? '')).toEqual(await readFile(before.file))
    expect(said).toEqual([])
  })

  it.each([
    ['longer', 'layer.tar.gz', (file: string) => appendFile(file, 'x')],
    ['other bytes', 'layer.tar.gz', async (file: string) => writeFile(file, (await readFile(file)).fill(7, 20, 30))],
    ['cut off', 'layer.tar.gz', async (file: string) => writeFile(file, (await readFile(file)).subarray(1))],
    ['nothing', 'layer.json', (file: string) => writeFile(file, '')],
    ['another digest inside', 'layer.json', async (file: string) => swapDigests(file)],
  ])('that are damaged are told, removed and can be kept again: %s in %s', async (_, name, damage) => {
    const { folder, at, layers, take, said } = await kept()
    const good = await layer(folder, 'one')
    await layers.keep(key, good)
    await damage(join(at, key, name))
    expect(await take(key)).toBeUndefined()
    expect(said).toEqual([expect.stringContaining('damaged')])
    await layers.keep(key, await layer(folder, 'two'))
    expect(await take(key)).toBeDefined()
  })

  it('are none where a kill left half a removal', async () => {
    const { folder, at, layers, take } = await kept()
    await layers.keep(key, await layer(folder, 'one'))
    await rm(join(at, key, 'layer.tar.gz'))
    expect(await take(key)).toBeUndefined()
    await layers.keep(key, await layer(folder, 'two'))
    expect(await take(key)).toBeDefined()
  })

  it('are dropped when they are too many, those first that were not used for longest', async () => {
    const { folder, at, layers, take } = await kept({ bytesMax: 25_000 })
    for (const [place, name] of ['old', 'used', 'new'].entries()) {
      await layers.keep(layerKey([name]), await layer(folder, name, 10_000))
      await utimes(join(at, layerKey([name])), place + 1, place + 1)
      if (name === 'used') expect(await take(layerKey(['old']))).toBeDefined()
    }
    expect(await take(layerKey(['used']))).toBeUndefined()
    expect(await take(layerKey(['old']))).toBeDefined()
    expect(await take(layerKey(['new']))).toBeDefined()
  })

  it('are kept once when several builds make the same at once', async () => {
    const { folder, at, layers, take } = await kept()
    const one = await layer(folder, 'one')
    await Promise.all(Array.from({ length: 5 }, () => layers.keep(key, one)))
    expect(await readdir(at)).toEqual([key])
    expect(await take(key)).toMatchObject({ descriptor: one.descriptor })
  })

  it('do without what a killed build left: young it may be in use, old it is removed', async () => {
    const { folder, at, layers } = await kept()
    await mkdir(join(at, 'new-young'), { recursive: true })
    await mkdir(join(at, 'new-old'))
    await utimes(join(at, 'new-old'), 1, 1)
    await layers.keep(key, await layer(folder, 'one'))
    expect((await readdir(at)).sort()).toEqual([key, 'new-young'].sort())
  })

  it('that cannot be kept are told, and no failure', async () => {
    const { folder, at, layers, said } = await kept()
    await writeFile(at, 'a file where the folder should be')
    await layers.keep(key, await layer(folder, 'one'), (text) => said.push(text))
    expect(said).toEqual([expect.stringContaining(at)])
    expect(await layers.take(key, join(folder, 'x'))).toBeUndefined()
  })
})

/** What is known of the tar inside says another one then, which no hash over the blob tells. */
async function swapDigests(file: string): Promise<void> {
  const facts = JSON.parse(await readFile(file, 'utf8'))
  await writeFile(file, JSON.stringify({ ...facts, diffId: facts.digest }))
}
