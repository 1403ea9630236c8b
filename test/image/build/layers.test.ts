import { appendFile, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { buildImage } from '../../../src/image/build/build.ts'
import { parsePlatform } from '../../../src/image/platform.ts'
import { findSources } from '../../../src/image/sources.ts'
import { validateImage } from '../../../src/image/validate.ts'
import { testFolder } from '../../fixture/folder.ts'
import { makeRepository, programFiles } from '../../fixture/repository.ts'

const signal = new AbortController().signal
/** A small checkout with a program that is built from its one source, and a package that it needs. */
const checkout = async (): Promise<string> => makeRepository(await testFolder(), programFiles())

interface Changes {
  readonly image?: string
  readonly platforms?: readonly string[]
  readonly fresh?: boolean
  readonly epochSeconds?: number
  readonly cache?: string
}

async function build(folder: string, changes: Changes = {}) {
  const { image = 'native', platforms = ['linux/amd64'], epochSeconds = 1, fresh = false } = changes
  const cache = changes.cache ?? join(folder, '.git/cache')
  const temporary = await testFolder()
  const { env } = process
  const query = { ref: undefined, image, definitionFile: undefined, cwd: folder, root: folder, cache, env, signal }
  const sources = await findSources(query)
  if (!sources) throw new Error('no sources')
  const said: string[] = []
  const { source, digest } = await buildImage(sources, {
    platforms: platforms.map(parsePlatform),
    base: null,
    baseName: null,
    epochSeconds,
    cache,
    temporary,
    path: process.env['PATH'] ?? '',
    fresh,
    signal,
    say: (text) => said.push(text),
  })
  const { layers } = JSON.parse(Buffer.from((await source.manifest()).bytes).toString())
  await validateImage(source, signal)
  await source.close()
  expect(await readdir(temporary)).toEqual([])
  const made = said
    .filter((each) => each.endsWith('being made'))
    .map((each) => each.split(':')[0])
    .sort()
  return { digest, made, said, layers: (layers as { digest: string }[] | undefined)?.map((each) => each.digest) }
}

const all = ['packages', 'program']

describe('layers of earlier builds', () => {
  it('change nothing but the time: the digest is that of a build from nothing', async () => {
    const folder = await checkout()
    const cold = await build(folder)
    expect(cold.made).toEqual(all)
    const cached = await build(folder)
    expect(cached).toMatchObject({ made: [], digest: cold.digest })
    const anew = await build(folder, { fresh: true })
    expect(anew).toMatchObject({ made: all, digest: cold.digest })
  })

  it('are shared by images that have the same program, and by platforms what is alike on them', async () => {
    const folder = await checkout()
    const first = await build(folder)
    const other = await build(folder, { image: 'other' })
    expect(other).toMatchObject({ made: [], layers: first.layers })
    expect(other.digest).not.toBe(first.digest)
    expect((await build(folder, { platforms: ['linux/amd64', 'linux/arm64'] })).made).toEqual(['packages'])
    const both = await build(folder, { platforms: ['linux/amd64', 'linux/arm64'], fresh: true })
    expect(both.made).toEqual(['packages', 'packages', 'program'])
  })

  it('are taken only for the same: sources, packages, time; notes beside sources do not matter', async () => {
    const folder = await checkout()
    const first = await build(folder)
    await appendFile(join(folder, 'src/README.md'), 'more')
    expect((await build(folder)).made).toEqual([])
    await writeFile(join(folder, 'src/main.js'), 'changed')
    const changed = await build(folder)
    expect(changed.made).toEqual(['program'])
    expect(changed.layers).not.toEqual(first.layers)
    await appendFile(join(folder, 'package-lock.json'), '\n')
    expect((await build(folder)).made).toEqual(all)
    expect((await build(folder, { epochSeconds: 2 })).made).toEqual(all)
  })

  it('that are damaged are told and made anew, the same', async () => {
    const folder = await checkout()
    const first = await build(folder)
    const kept = join(folder, '.git/cache/layers')
    for (const entry of await readdir(kept)) {
      const file = join(kept, entry, 'layer.tar.gz')
      await writeFile(file, (await readFile(file)).fill(0, 15, 25))
    }
    const again = await build(folder)
    expect(again).toMatchObject({ made: all, digest: first.digest })
    expect(again.said.filter((each) => each.includes('damaged'))).toHaveLength(2)
    expect((await build(folder)).made).toEqual([])
  })

  it('are made by builds at once without harm, and in a folder that cannot keep them', async () => {
    const folder = await checkout()
    const [one, other] = await Promise.all([build(folder), build(folder)])
    expect(one.digest).toBe(other.digest)
    expect((await build(folder)).made).toEqual([])
    const file = join(folder, '.git/no-folder')
    await writeFile(file, '')
    const unkept = await build(folder, { cache: file })
    expect(unkept).toMatchObject({ made: all, digest: one.digest })
  })

  it('of a build that fails are not kept, and nothing is left of it', async () => {
    const folder = await checkout()
    const facts = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'))
    await writeFile(join(folder, 'package.json'), JSON.stringify({ ...facts, scripts: { build: 'echo why; exit 3' } }))
    await expect(build(folder)).rejects.toMatchObject({
      kind: 'program',
      message: 'npm run failed',
      output: expect.stringContaining('why'),
    })
    await writeFile(join(folder, 'package.json'), JSON.stringify(facts))
    expect((await build(folder)).made).toContain('program')
  })

  it('may hold no packages, for a program that needs none', async () => {
    const own = { name: 'own', version: '1.0.0' }
    const files = programFiles({
      'package.json': JSON.stringify({ ...own, scripts: { build: 'mkdir -p dist/src && cp src/main.js dist/src' } }),
      'package-lock.json': JSON.stringify({ ...own, lockfileVersion: 3, packages: { '': own } }),
    })
    const { made } = await build(await makeRepository(await testFolder(), files))
    expect(made).toEqual(all)
  })
})
