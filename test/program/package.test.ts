import { access, mkdir, mkdtemp, readdir, readFile, realpath, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { cloneCheckout } from '../fixture/checkout.ts'
import { processesUnder } from '../fixture/process.ts'
import { root } from '../fixture/program.ts'

// `npm pack` and then life without the repository: the package in an empty folder, under each
// Node that it says it runs on.

const minutes = 60_000
const packageBytesMax = 1_000_000

let folder: string
let archive: string
let names: string[]
/** Where the package is installed. */
let place: string

beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'native-package-')))
  const checkout = join(folder, 'native')
  await cloneCheckout(checkout)
  // A folder of links, for tools that are only read: the build writes to dist and src/wire/gen of
  // the clone. Never one link instead of the folder: npm would work in what it leads to.
  await mkdir(join(checkout, 'node_modules'))
  for (const name of await readdir(join(root, 'node_modules')))
    await symlink(join(root, 'node_modules', name), join(checkout, 'node_modules', name))
  const env = { PATH: [join(root, 'node_modules/node/bin'), process.env['PATH']].join(delimiter) }
  await execa('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: checkout, env })
  archive = join(folder, (await readdir(folder)).find((name) => name.endsWith('.tgz')) ?? '')
  const { stdout } = await execa('tar', ['-tzf', archive])
  names = stdout.split('\n').map((name) => name.replace(/^package\//, ''))
  // Nothing of it may be found by accident.
  await rm(checkout, { recursive: true })

  place = join(folder, 'place')
  await mkdir(place)
  await writeFile(join(place, 'package.json'), '{"private": true}\n')
  await npm(['install', archive])
}, 10 * minutes)

afterAll(() => rm(folder, { recursive: true, force: true }))

const npm = (args: readonly string[], cwd = place) =>
  execa('npm', [...args, '--prefer-offline', '--no-audit', '--no-fund'], { cwd })

describe('the package', () => {
  test('has the program, its templates and its papers, and nothing else', () => {
    const tops = new Set(
      names.map((name) =>
        name
          .split('/')
          .slice(0, name.startsWith('dist/') ? 2 : 1)
          .join('/'),
      ),
    )
    expect([...tops].toSorted()).toEqual([
      'CHANGELOG.md',
      'LICENSE',
      'README.md',
      'bin',
      'dist/commands',
      'dist/image-tags.json',
      'dist/src',
      'dist/vendor',
      'oclif.manifest.json',
      'package.json',
      'templates',
    ])
    expect(names.filter((name) => name.startsWith('bin/'))).toEqual(['bin/run.js'])
    expect(names.filter((name) => name.startsWith('dist/') && !/\.js(on)?$/.test(name))).toEqual([])
  })

  test('has every template, those with a dot in front too', async () => {
    const templates = (await readdir(join(root, 'templates'), { recursive: true, withFileTypes: true }))
      .filter((each) => each.isFile())
      .map((each) => join(each.parentPath, each.name).slice(root.length + 1))
    expect(names.filter((name) => name.startsWith('templates/')).toSorted()).toEqual(templates.toSorted())
    expect(names).toContain('templates/example/dot-bazelrc')
  })

  test('is small', async () => {
    expect((await stat(archive)).size).toBeLessThan(packageBytesMax)
  })

  test('knows the tags of its images', async () => {
    const tags: unknown = JSON.parse(await readFile(join(place, 'node_modules/native/dist/image-tags.json'), 'utf8'))
    expect(tags).toMatchObject({ native: { image: 'native', tag: expect.stringMatching(/^[0-9a-f]{32}/) } })
    const { stdout } = await execa(process.execPath, [installed(), 'image', 'tag'], { cwd: place })
    expect(stdout).toBe((tags as { native: { tag: string } }).native.tag)
  })
})

const installed = () => join(place, 'node_modules/native/bin/run.js')

describe.each(['22', '24'])('the installed package under Node %s', (major) => {
  let node: string
  let home: string
  const native = (...args: string[]) =>
    execa(node, [installed(), ...args], {
      cwd: home,
      env: { PATH: '/usr/bin:/bin', HOME: home, NO_COLOR: '1' },
      extendEnv: false,
      stdin: 'ignore',
    })

  beforeAll(async () => {
    const nodes = join(folder, `node-${major}`)
    await mkdir(nodes)
    await writeFile(join(nodes, 'package.json'), '{"private": true}\n')
    // The package `node` would fetch this one in an install script.
    const name = `node-${process.platform}-${process.arch}`
    await npm(['install', `${name}@${major}`], nodes)
    node = join(nodes, 'node_modules', name, 'bin/node')
    await access(node)
    home = join(folder, `home-${major}`)
    await mkdir(home)
  }, 10 * minutes)

  test('brings a cluster up, runs an action, and takes it down again', async () => {
    expect((await execa(node, ['--version'])).stdout).toMatch(new RegExp(`^v${major}\\.`))
    try {
      await native('deploy', '--slots', '2')
      expect((await native('exec', '--', '/bin/echo', 'from the package')).stdout).toBe('from the package')
      expect((await native('exec', '--', '/bin/echo', 'from the package')).stderr).toContain('native: cached')
      expect((await native('bazelrc', '--json')).stdout).toContain('build:lre')
      await native('example', 'hello')
      expect(await readdir(join(home, 'hello'))).toContain('.bazelrc')
      expect(await processesUnder(home)).not.toEqual([])
    } finally {
      await native('down')
    }
    expect(await processesUnder(home)).toEqual([])
  })

  test('says what it is', async () => {
    expect((await native('--version')).stdout).toMatch(new RegExp(`^native/\\d+\\.\\d+\\.\\d+ .* node-v${major}\\.`))
  })
})
