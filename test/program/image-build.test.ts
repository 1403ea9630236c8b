import { appendFile, mkdir, readdir, readFile, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { makeImage, writeLayout } from '../fixture/image.ts'
import { readLayout } from '../fixture/layout.ts'
import { processesUnder } from '../fixture/process.ts'
import { createNative, type Native, type Ran, root, runner } from '../fixture/program.ts'
import { startRegistry } from '../fixture/registry/registry.ts'
import { commitAll, git, makeRepository, programFiles } from '../fixture/repository.ts'

let native: Native
let count = 0

/** A name that nothing has yet. */
function fresh(name: string): string {
  count += 1
  return join(native.home, `${name}-${count}`)
}

beforeAll(async () => {
  native = await createNative([])
})
afterAll(() => native.dispose())

/** A checkout that the program is run in, with a cache of its own: nothing of another test's builds is taken. */
async function checkout(files: Readonly<Record<string, string>> = {}) {
  const folder = fresh('checkout')
  await makeRepository(folder, programFiles(files))
  const run = (env: Readonly<Record<string, string>>, ...args: string[]): Promise<Ran> => {
    const own = { ...native.env, XDG_CACHE_HOME: fresh('cache'), ...env }
    return runner(join(root, 'bin/run.js'), own, folder).ok('image', 'copy', ...args)
  }
  return {
    folder,
    tag: async (...args: string[]) =>
      (await runner(join(root, 'bin/run.js'), native.env, folder).ok('image', 'tag', ...args)).stdout,
    /** Builds into a layout, and gives what is in it. */
    async built(args: readonly string[] = [], env: Readonly<Record<string, string>> = {}) {
      const out = fresh('out')
      const { stdout } = await run(env, '--platform', 'linux/amd64', ...args, `oci:${out}`)
      const layout = await readLayout(out)
      expect(stdout.trim().split('\n').at(-1)).toBe(layout.digest)
      return layout
    },
    async refused(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
      const all = { ...native.env, ...env }
      return oneError(await runner(join(root, 'bin/run.js'), all, folder).run('image', 'copy', ...args))
    },
  }
}

/** The one error that a run has ended with. */
function oneError({ exitCode, stderr }: Ran): { exitCode: number; error: string } {
  expect(stderr.match(/^error: /gm)).toHaveLength(1)
  expect(stderr).not.toContain('    at ')
  return { exitCode, error: stderr }
}

describe('native image copy --ref', () => {
  it('builds a commit, whatever the working tree is', async () => {
    const { folder, built, tag } = await checkout()
    const before = await built()
    const [first, firstTag] = [await git(folder, 'rev-parse', 'HEAD'), await tag()]
    await writeFile(join(folder, 'src/main.js'), 'second')
    await commitAll(folder)
    await writeFile(join(folder, 'src/main.js'), 'not committed')
    expect(await tag('HEAD~1')).toBe(firstTag)
    const again = await built(['--ref', 'HEAD~1'])
    expect(again.digest).toBe(before.digest)
    expect(again.config.config.Labels).toMatchObject({ 'org.opencontainers.image.revision': first })
    const fetched = await built(['--ref', `file://${folder}#main`])
    expect(fetched.entries.find(({ name }) => name.endsWith('dist/src/main.js'))?.text).toBe('second')
    const { exitCode, error } = await (await checkout()).refused(['--ref', 'nosuch', 'oci:out'])
    expect(exitCode).toBe(3)
    expect(error).toContain('nosuch')
  })
})

describe('an image that is built twice', () => {
  it('is the same on another day, in another folder and from files of other times', async () => {
    const [one, other] = [await checkout(), await checkout()]
    for (const path of ['src/main.js', 'bin/run.js', 'package.json', 'src'])
      await utimes(join(other.folder, path), 1_000_000_000, 1_000_000_000)
    // The whole machine's clock is not ours to set; this is the one of every Node that takes part.
    const clock = join(native.home, 'forty-days-later.mjs')
    await writeFile(
      clock,
      `const Now = Date
const shiftMs = 40 * 24 * 60 * 60_000
globalThis.Date = class extends Now {
  constructor(...args) {
    if (args.length === 0) super(Now.now() + shiftMs)
    else super(...args)
  }
  static now() {
    return Now.now() + shiftMs
  }
}
`,
    )
    const env = { NODE_OPTIONS: `--import=${clock}`, TZ: 'Asia/Tokyo' }
    // Both checkouts are one commit only if both have one date.
    await git(other.folder, 'fetch', '--quiet', one.folder, 'main')
    await git(other.folder, 'reset', '--quiet', 'FETCH_HEAD')
    expect((await other.built([], env)).digest).toBe((await one.built()).digest)
  })

  it('is found to be another by --check where sources make something else each time', async () => {
    const facts = JSON.parse(programFiles()['package.json'] ?? '')
    const scripts = { build: 'mkdir -p dist/src && node -p "crypto.randomUUID()" > dist/src/main.js' }
    const { refused, folder } = await checkout({ 'package.json': JSON.stringify({ ...facts, scripts }) })
    const { exitCode, error } = await refused(['--check', 'oci:out'])
    expect(exitCode).not.toBe(0)
    expect(error).toMatch(/two builds of the same sources gave sha256:\w+ and sha256:\w+/)
    await expect(readFile(join(folder, 'out/index.json'))).rejects.toMatchObject({ code: 'ENOENT' })
  })
})

describe('a build that is interrupted', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)('by %s ends at once, with what it has started', async (signal) => {
    const facts = JSON.parse(programFiles()['package.json'] ?? '')
    const scripts = { build: "trap '' TERM; touch $TMPDIR/started; sleep 600; sleep 600" }
    const { folder } = await checkout({ 'package.json': JSON.stringify({ ...facts, scripts }) })
    const temporary = fresh('temporary')
    await mkdir(temporary)
    const env = { ...native.env, XDG_CACHE_HOME: fresh('cache'), TMPDIR: temporary }
    const args = [join(root, 'bin/run.js'), 'image', 'copy', '--platform', 'linux/amd64', 'oci:out']
    const running = execa(process.execPath, args, { env, extendEnv: false, cwd: folder, reject: false })
    await vi.waitFor(() => readFile(join(temporary, 'started')), 60_000)
    expect(await processesUnder(temporary)).not.toEqual([])
    const sentMs = performance.now()
    running.kill(signal)
    const { exitCode = -1, stdout, stderr } = await running
    expect(oneError({ exitCode, stdout, stderr })).toMatchObject({
      exitCode: 130,
      error: expect.stringMatching(/^error: interrupted$/m),
    })
    expect(performance.now() - sentMs).toBeLessThan(2500)
    await vi.waitFor(async () => expect(await processesUnder(temporary)).toEqual([]), 20_000)
    expect((await readdir(temporary)).filter((name) => name.startsWith('native-'))).toEqual([])
  })
})

describe('SOURCE_DATE_EPOCH', () => {
  it('is the time of all that is in an image', async () => {
    const { built } = await checkout()
    const { config, entries } = await built([], { SOURCE_DATE_EPOCH: '1700000000' })
    expect(config.created).toBe('2023-11-14T22:13:20Z')
    expect(new Set(config.history.map((each) => each.created))).toEqual(new Set([config.created]))
    expect(entries.length).toBeGreaterThan(5)
    expect(new Set(entries.map((each) => each.mtime))).toEqual(new Set([1_700_000_000]))
  })

  it.each(['yesterday', '-1', '1.5', '99999999999'])('is refused when it is %j', async (epoch) => {
    const { refused } = await checkout()
    const { exitCode, error } = await refused(['oci:out'], { SOURCE_DATE_EPOCH: epoch })
    expect(exitCode).toBe(2)
    expect(error).toContain(`"${epoch}" is not a number of seconds since 1970`)
    expect(error).toContain('SOURCE_DATE_EPOCH')
  })
})

describe('labels of an image', () => {
  it('say the commit, the version, the repository, and the base with its digest', async () => {
    const { folder, built } = await checkout()
    const base = await makeImage()
    await writeLayout(join(folder, 'base'), base)
    const registry = await startRegistry()
    const name = `${registry.host}/base:1`
    await runner(join(root, 'bin/run.js'), native.env, folder).ok('image', 'copy', 'oci:base', `docker://${name}`)
    const { manifest, config } = await built(['--base', `docker://${name}`])
    const expected = {
      'org.opencontainers.image.revision': await git(folder, 'rev-parse', 'HEAD'),
      'org.opencontainers.image.version': '1.2.3',
      'org.opencontainers.image.source': 'https://example.com/own.git',
      'org.opencontainers.image.base.name': name,
      'org.opencontainers.image.base.digest': base.digest,
      title: 'native',
    }
    expect(config.config.Labels).toEqual(expected)
    expect(manifest.annotations).toEqual(expected)
    await appendFile(join(folder, 'src/main.js'), 'more')
    expect((await built()).config.config.Labels).toMatchObject({
      'org.opencontainers.image.revision': `${expected['org.opencontainers.image.revision']}-dirty`,
    })
  })
})
