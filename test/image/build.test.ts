import { randomBytes } from 'node:crypto'
import { chmod, mkdir, readdir, readFile, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { describe, expect, it } from 'vitest'
import { buildImage } from '../../src/image/build/build.ts'
import { buildFor } from '../../src/image/build/build-for.ts'
import { epochOf } from '../../src/image/build/epoch.ts'
import { folderEntries, writeLayer } from '../../src/image/build/layer.ts'
import { copyImage } from '../../src/image/copy.ts'
import { parseDefinition } from '../../src/image/definition.ts'
import { refreshLock } from '../../src/image/lock.ts'
import { openDestination, openSource } from '../../src/image/open.ts'
import { parsePlatform } from '../../src/image/platform.ts'
import { parseReference } from '../../src/image/reference.ts'
import { findSources } from '../../src/image/sources.ts'
import { validateImage } from '../../src/image/validate.ts'
import { testFolder } from '../fixture/folder.ts'
import { makeImage, writeLayout } from '../fixture/image.ts'
import { testImageContext } from '../fixture/image-context.ts'
import { queryIn } from '../fixture/sources.ts'

const signal = new AbortController().signal
const text = `name: mine
base: scratch
platforms: [linux/amd64, linux/arm64]
files:
  - {from: tree, to: /opt/tree}
  - {from: single, to: /bin/single, executable: true}
environment: {B: two, A: one}
entrypoint: [/bin/single]
user: '1000:1000'
workdir: /opt
labels: {org.opencontainers.image.title: mine}
`

/** The same files in different circumstances: other folder, times, rights, order of creation. */
async function sourcesIn(folder: string, later: boolean) {
  await mkdir(join(folder, 'tree/inner'), { recursive: true })
  const names = ['b', 'a', 'inner/ä', 'Z']
  for (const name of later ? names.toReversed() : names) await writeFile(join(folder, 'tree', name), name)
  await symlink('a', join(folder, 'tree/link'))
  await writeFile(join(folder, 'single'), 'single')
  await writeFile(join(folder, 'mine.yaml'), text)
  if (later) {
    await chmod(join(folder, 'tree/a'), 0o600)
    await utimes(join(folder, 'tree/b'), 1, 1)
  }
  const sources = await findSources(queryIn(folder, { definitionFile: 'mine.yaml', cache: folder }))
  if (!sources) throw new Error('no sources')
  return sources
}

async function build(
  folder: string,
  changes: { base?: string; platforms?: string[]; epochSeconds?: number; later?: boolean } = {},
) {
  const at = join(folder, changes.later ? 'later' : 'now')
  await mkdir(at)
  const base =
    changes.base === undefined ? null : await openSource(parseReference(changes.base), testImageContext(folder))
  return buildImage(await sourcesIn(at, changes.later ?? false), {
    platforms: (changes.platforms ?? ['linux/amd64']).map(parsePlatform),
    base,
    baseName: base && 'base.example/base:1',
    epochSeconds: changes.epochSeconds ?? 1,
    cache: at,
    temporary: at,
    path: '',
    signal,
  })
}

describe('a built image', () => {
  it('is the same to the last byte, whatever the folder, the day and the rights', async () => {
    const folder = await testFolder()
    const first = await build(folder)
    const second = await build(folder, { later: true })
    expect(second.digest).toBe(first.digest)
    await first.source.close()
    await second.source.close()
  })

  it('is what its definition says', async () => {
    const folder = await testFolder()
    const { source, digest } = await build(folder, {
      platforms: ['linux/amd64', 'linux/arm64'],
      epochSeconds: 1_700_000_000,
    })
    const destination = await openDestination(parseReference(`oci:${folder}/out`), testImageContext(folder))
    await copyImage(source, destination, { platform: 'all', preserveDigests: true, signal })
    await source.close()
    const written = await openSource(parseReference(`oci:${folder}/out`), testImageContext(folder))
    expect(await validateImage(written, signal)).toMatchObject({
      digest,
      platforms: ['linux/amd64', 'linux/arm64'],
      layers: 2,
    })
    const index = JSON.parse(Buffer.from((await written.manifest()).bytes).toString())
    const manifest = JSON.parse(
      await readFile(join(folder, 'out/blobs/sha256', index.manifests[0].digest.slice(7)), 'utf8'),
    )
    const config = JSON.parse(await readFile(join(folder, 'out/blobs/sha256', manifest.config.digest.slice(7)), 'utf8'))
    expect(config).toMatchObject({
      created: '2023-11-14T22:13:20Z',
      architecture: 'amd64',
      config: {
        User: '1000:1000',
        Entrypoint: ['/bin/single'],
        WorkingDir: '/opt',
        Labels: { 'org.opencontainers.image.title': 'mine' },
      },
    })
    expect(config.config.Env).toEqual([
      'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      'A=one',
      'B=two',
    ])
  })

  it('stands on its base: its layers below, its environment kept, its digest in a label', async () => {
    const folder = await testFolder()
    const image = await makeImage({ docker: false })
    await writeLayout(join(folder, 'base'), image)
    const { source } = await build(folder, { base: `oci:${folder}/base` })
    const manifest = JSON.parse(Buffer.from((await source.manifest()).bytes).toString())
    expect(manifest.layers).toHaveLength(3)
    expect(manifest.annotations['org.opencontainers.image.base.digest']).toBe(image.digest)
    expect((await validateImage(source, signal)).layers).toBe(3)
    await source.close()
  })

  it('is refused for a platform that the definition or the base does not have', async () => {
    const folder = await testFolder()
    await writeLayout(join(folder, 'base'), await makeImage())
    await expect(build(folder, { platforms: ['linux/s390x'] })).rejects.toMatchObject({
      kind: 'invalid',
      where: '--platform',
    })
    await expect(
      build(folder, { later: true, platforms: ['linux/arm64'], base: `oci:${folder}/base` }),
    ).rejects.toMatchObject({ kind: 'invalid' })
  })
})

describe('buildFor', () => {
  it('goes from a definition to a source with its name and tag, and closes what it opened', async () => {
    const folder = await testFolder()
    await sourcesIn(folder, false)
    await writeLayout(join(folder, 'base'), await makeImage({ docker: false }), 'v1')
    const ask = (base: string) =>
      buildFor({
        query: queryIn(folder, { definitionFile: 'mine.yaml', cache: folder }),
        platforms: [parsePlatform('linux/amd64')],
        base: parseReference(base),
        reading: testImageContext(folder),
        build: { epochSeconds: 1, cache: folder, path: '' },
        signal,
      })
    const left = () => readdir(folder)
    const before = await left()
    const built = await ask(`oci:${folder}/base:v1`)
    expect(built.facts).toMatchObject({ image: 'mine', tag: expect.stringMatching(/^[0-9a-f]{32}$/) })
    expect((await validateImage(built.source, signal)).digest).toBe(built.digest)
    await built.source.close()
    await expect(ask(`oci:${folder}/nosuch:v1`)).rejects.toMatchObject({ kind: 'not-found' })
    await expect(ask(`oci:${folder}/base:v2`)).rejects.toMatchObject({ kind: 'not-found' })
    expect(await left()).toEqual(before)
  })
})

describe('a layer', () => {
  it('has parents before children, owner 0:0, one time, and no trace of the system in its gzip header', async () => {
    const folder = await testFolder()
    await writeFile(join(folder, 'f'), 'x')
    const file = { kind: 'file', from: join(folder, 'f'), size: 1, executable: false } as const
    const layer = await writeLayer(
      [
        { ...file, path: '/z/y/x' },
        { ...file, path: '/a' },
      ],
      join(folder, 'layer'),
      7,
      signal,
    )
    const bytes = await readFile(layer.file)
    expect([...bytes.subarray(0, 10)]).toEqual([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff])
    await expect(
      writeLayer(
        [
          { ...file, path: '/a' },
          { ...file, path: '/a/b' },
        ],
        join(folder, 'other'),
        7,
        signal,
      ),
    ).rejects.toMatchObject({ kind: 'invalid' })
  })

  it('has files whole, however large, as tar reads them', async () => {
    const folder = await testFolder()
    await mkdir(join(folder, 'in/far'), { recursive: true })
    const contents = [0, 1, 512, 256 * 1024, 700_001].map((size) => randomBytes(size))
    for (const [at, bytes] of contents.entries()) await writeFile(join(folder, 'in/far', String(at)), bytes)
    await writeLayer(await folderEntries(join(folder, 'in'), '/out'), join(folder, 'layer'), 1, signal)
    await execa('tar', ['-xzf', join(folder, 'layer'), '-C', folder])
    for (const [at, bytes] of contents.entries())
      expect((await readFile(join(folder, 'out/far', String(at)))).equals(bytes), String(at)).toBe(true)
  })

  it.each([0, 9, 11, 600_000])('refuses a file of 10 bytes that has %i when it is read', async (size) => {
    const folder = await testFolder()
    await writeFile(join(folder, 'f'), Buffer.alloc(size))
    const file = { kind: 'file', path: '/f', from: join(folder, 'f'), size: 10, executable: false } as const
    await expect(writeLayer([file], join(folder, 'layer'), 1, signal)).rejects.toMatchObject({
      kind: 'precondition',
      where: file.from,
    })
  })
})

describe('SOURCE_DATE_EPOCH', () => {
  it('is seconds, or nothing', () => {
    expect(epochOf('1700000000')).toBe(1_700_000_000)
    expect(epochOf(undefined)).toBe(1)
    for (const each of ['-1', '1.5', 'today', '99999999999']) expect(() => epochOf(each)).toThrow()
  })
})

describe('a definition', () => {
  it.each([
    ['no digest', text.replace('scratch', '{image: a.example/b:1}'), 'digest'],
    ['a file outside', text.replace('from: tree', 'from: ../x'), 'from'],
    ['a relative place', text.replace('to: /opt/tree', 'to: opt'), 'to'],
    ['a file at the end of a slash', text.replace('/bin/single', '/data/'), 'files[1].to'],
    ['a place with an empty part', text.replace('/bin/single', '/data//file'), 'files[1].to'],
    ['a place with a dot', text.replace('/bin/single', '/data/./file'), 'files[1].to'],
    ['a place with two dots', text.replace('/bin/single', '/data/../file'), 'files[1].to'],
    ['a file with a slash behind it', text.replace('from: tree', 'from: tree/'), 'files[0].from'],
    ['a file that is a dot', text.replace('from: tree', 'from: .'), 'files[0].from'],
    ['an absolute file', text.replace('from: tree', 'from: /etc/passwd'), 'files[0].from'],
    ['an unknown key', `${text}entrypiont: [x]\n`, 'entrypiont'],
    ['a platform twice', text.replace('linux/arm64', 'linux/amd64'), 'platforms'],
    ['a platform by two names', text.replace('linux/amd64', 'linux/arm64/v8'), 'platforms'],
    ['a platform that is none', text.replace('linux/arm64', 'amiga'), 'platforms'],
  ])('with %s is refused, naming the line', (_, bad, key) => {
    try {
      parseDefinition(bad, 'mine.yaml')
      expect.unreachable()
    } catch (error) {
      expect(error).toMatchObject({
        kind: 'invalid',
        message: expect.stringContaining(key),
        where: expect.stringMatching(/^mine\.yaml:\d+/),
      })
    }
  })

  it.each(['native', 'native-worker-lre-cc'])('that comes with native is right: %s', async (name) => {
    const file = join(import.meta.dirname, `../../templates/images/${name}.yaml`)
    const definition = parseDefinition(await readFile(file, 'utf8'), file)
    expect(definition.name).toBe(name)
    expect(Object.keys(definition.node?.packages ?? {})).toEqual(['linux/amd64', 'linux/arm64'])
  })
})

describe('image lock', () => {
  it('writes the digest and keeps comments; twice changes nothing', async () => {
    const file = join(await testFolder(), 'mine.yaml')
    await writeFile(file, '# mine\nname: mine\nbase:\n  image: host.example/base:1 # moves\nplatforms: [linux/amd64]\n')
    const digest = `sha256:${'b'.repeat(64)}` as const
    const first = await refreshLock(file, async (image) => {
      expect(image).toMatchObject({ registry: 'host.example', repository: 'base', tag: '1' })
      return digest
    })
    expect(first).toMatchObject({ before: null, after: digest })
    const written = await readFile(file, 'utf8')
    expect(written).toContain('# mine')
    expect(written).toContain('# moves')
    expect(parseDefinition(written, file).base).toMatchObject({ digest })
    expect(await refreshLock(file, async () => digest)).toMatchObject({ before: digest, after: digest })
    expect(await readFile(file, 'utf8')).toBe(written)
  })

  const [old, digest] = [`sha256:${'a'.repeat(64)}`, `sha256:${'b'.repeat(64)}`] as const
  const around = (line: string) => `name: mine
base:
  image: host.example/base:1
  ${line}

# Odd, but somebody's own.
files: [ {from: a,   to: /a} ]
platforms: [linux/amd64]
`

  it.each([
    ['', ' # pinned'],
    ["'", "'"],
    ['"', '"'],
  ])('changes no other letter: %jDIGEST%j', async (before, after) => {
    const file = join(await testFolder(), 'mine.yaml')
    await writeFile(file, around(`digest: ${before}${old}${after}`))
    await refreshLock(file, async () => digest)
    const quoted = before === '' ? after : ''
    expect(await readFile(file, 'utf8')).toBe(around(`digest: ${digest}${quoted}`))
  })

  it.each(['digest:', 'digest: ~', 'digest: 7', `digest: >-\n    ${old}`, `digest: |-\n    ${old}`])(
    'writes the digest where %j was',
    async (line) => {
      const file = join(await testFolder(), 'mine.yaml')
      await writeFile(file, around(line))
      await refreshLock(file, async () => digest)
      const written = await readFile(file, 'utf8')
      expect(parseDefinition(written, file).base).toMatchObject({ digest })
      expect(written).toContain('# Odd')
    },
  )
})
