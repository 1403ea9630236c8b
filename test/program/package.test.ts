import { mkdir, mkdtemp, readdir, readFile, readlink, realpath, rename, rm, stat, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { cloneCheckout } from '../fixture/checkout.ts'
import { readDocuments } from '../fixture/documents.ts'
import { installNode } from '../fixture/nodes.ts'
import { processesUnder } from '../fixture/process.ts'
import { root } from '../fixture/program.ts'

// `npm pack` and then life without the repository: the package is installed as README.md says, with a prefix of its
// own, and used under the oldest and the newest Node that it says it runs on.

const minutes = 60_000
const packageBytesMax = 2_200_000

let folder: string
let archive: string
let names: string[]
/** What a second `npm pack` says. */
let packedAgain: string
/** Where npm has put it, as if for the whole machine. */
let prefix: string

beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'native-package-')))
  prefix = join(folder, 'prefix')
  const checkout = join(folder, 'native')
  await cloneCheckout(checkout)
  // A folder of links, for tools that are only read: the build writes to dist and src/wire/gen of
  // the clone. Never one link instead of the folder: npm would work in what it leads to.
  await mkdir(join(checkout, 'node_modules'))
  for (const name of await readdir(join(root, 'node_modules')))
    await symlink(join(root, 'node_modules', name), join(checkout, 'node_modules', name))
  const [block] = (await readDocuments()).blocks.filter(({ mark }) => mark === 'package')
  await execa('bash', ['-euo', 'pipefail', '-c', block?.text ?? 'false'], { cwd: checkout, env: npmEnv() })
  packedAgain = (await execa('npm', ['pack', '--dry-run'], { cwd: checkout, env: npmEnv(), all: true })).all
  archive = join(folder, 'native.tgz')
  await rename(join(checkout, (await readdir(checkout)).find((name) => name.endsWith('.tgz')) ?? ''), archive)
  const { stdout } = await execa('tar', ['-tzf', archive])
  names = stdout.split('\n').map((name) => name.replace(/^package\//, ''))
  // Nothing of it may be found by accident.
  await rm(checkout, { recursive: true })
}, 10 * minutes)

afterAll(() => rm(folder, { recursive: true, force: true }))

/** What npm needs to install beside the machine's own packages, out of what it has fetched before where it can. */
const npmEnv = () => ({
  PATH: [join(root, 'node_modules/node/bin'), process.env['PATH']].join(delimiter),
  npm_config_prefix: prefix,
  npm_config_prefer_offline: 'true',
  npm_config_audit: 'false',
  npm_config_fund: 'false',
})

describe('the package', () => {
  test('is made of what is built already, if that is up to date: servers may be running from it', () => {
    expect(packedAgain).toContain('native-rbe-native')
    expect(packedAgain).not.toContain('native: building')
  })

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
      'dist/native.1',
      'dist/page.js',
      'dist/servers',
      'dist/src',
      'dist/vendor',
      'docs',
      'oclif.manifest.json',
      'package.json',
      'templates',
    ])
    expect(names.filter((name) => name.startsWith('bin/'))).toEqual(['bin/main.js', 'bin/own-node.js', 'bin/run.js'])
    expect(names.filter((name) => name.startsWith('dist/') && !/\.js(on)?$/.test(name)).toSorted()).toEqual([
      'dist/native.1',
      'dist/vendor/mcp.licenses.txt',
    ])
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
    const tags: unknown = JSON.parse(await readFile(join(installed(), 'dist/image-tags.json'), 'utf8'))
    expect(tags).toMatchObject({ native: { image: 'native', tag: expect.stringMatching(/^[0-9a-f]{32}/) } })
    const { stdout } = await execa(process.execPath, [join(prefix, 'bin/native'), 'image', 'tag'], { cwd: folder })
    expect(stdout).toBe((tags as { native: { tag: string } }).native.tag)
  })

  test('is called as in README.md, and brings its manual page', async () => {
    expect(await readlink(join(prefix, 'bin/native'))).toBe('../lib/node_modules/@native-rbe/native/bin/run.js')
    expect(await readFile(join(prefix, 'share/man/man1/native.1'), 'utf8')).toContain('.TH')
  })

  test('is told by an old Node in one line', async () => {
    const node = await installNode('20', join(folder, 'node-20'))
    const { exitCode, stderr } = await execa(node, [join(prefix, 'bin/native'), 'up'], { reject: false })
    expect(exitCode).toBe(1)
    expect(stderr).toMatch(/^native: needs Node 22\.19 or later; this is 20\.\d+\.\d+ \(.*\)$/)
  })
})

const installed = () => join(prefix, 'lib/node_modules/@native-rbe/native')

describe.each(['22.19.0', '24'])('the installed package under Node %s', (version) => {
  let node: string
  let home: string
  const native = (...args: string[]) =>
    execa(join(prefix, 'bin/native'), args, {
      cwd: home,
      env: { PATH: [dirname(node), '/usr/bin:/bin'].join(delimiter), HOME: home, NO_COLOR: '1' },
      extendEnv: false,
      stdin: 'ignore',
    })

  beforeAll(async () => {
    node = await installNode(version, join(folder, `node-${version}`))
    home = join(folder, `home-${version}`)
    await mkdir(home)
  }, 10 * minutes)

  test('brings a cluster up, runs an action, and takes it down again', async () => {
    try {
      await native('up')
      await native('deploy', '--slots', '2')
      expect((await native('exec', '--', '/bin/echo', 'from the package')).stdout).toBe('from the package')
      expect((await native('exec', '--', '/bin/echo', 'from the package')).stderr).toContain('native: cached')
      expect((await native('bazelrc', '--json')).stdout).toContain('build:lre')
      await native('example', 'hello')
      expect(await readdir(join(home, 'hello'))).toContain('.bazelrc')
      expect((await native('status', '--exit-status')).stdout).toContain('deployed')
      expect(await processesUnder(home)).not.toEqual([])
    } finally {
      await native('down')
    }
    expect(await processesUnder(home)).toEqual([])
  })

  test('says what it is', async () => {
    const { stdout } = await native('--version')
    expect(stdout).toMatch(/^native\/\d+\.\d+\.\d+ /)
    expect(stdout).toContain(` node-v${version}`)
  })
})
