import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { cloneCheckout, usersPath } from '../fixture/checkout.ts'
import { type Block, readDocuments } from '../fixture/documents.ts'
import { processesUnder } from '../fixture/process.ts'

// What a user does with a fresh clone: everything that README.md, the pages in docs and
// CONTRIBUTING.md say, from top to bottom, with the machine's own Node and a home of his own.

const { blocks } = await readDocuments()
const examples = blocks.filter(({ language, mark }) => language === 'yaml' || (language === 'sh' && mark === ''))
const minutes = 60_000

let folder: string
let checkout: string
let env: Record<string, string>

interface Told {
  readonly exitCode: number | undefined
  readonly stdout: string
  readonly all: string
}

async function shell(text: string): Promise<Told> {
  const done = await execa('bash', ['-euo', 'pipefail', '-c', text], {
    cwd: checkout,
    env,
    extendEnv: false,
    reject: false,
    all: true,
    stdin: 'ignore',
  })
  return { exitCode: done.exitCode, stdout: done.stdout, all: done.all }
}

beforeAll(async () => {
  // A short path: a Unix socket's has at most 103 bytes.
  folder = await realpath(await mkdtemp(join(tmpdir(), 'native-readme-')))
  checkout = join(folder, 'native')
  const home = join(folder, 'home')
  await mkdir(home)
  await cloneCheckout(checkout)
  const cache = await execa('npm', ['config', 'get', 'cache'])
  const userconfig = await execa('npm', ['config', 'get', 'userconfig'])
  env = {
    PATH: [join(home, '.local/bin'), usersPath()].join(delimiter),
    HOME: home,
    // Settings of npm that the machine needs, and what it has fetched already.
    npm_config_cache: cache.stdout,
    npm_config_userconfig: userconfig.stdout,
    npm_config_prefer_offline: 'true',
    ...Object.fromEntries(
      Object.entries(process.env).filter(([name]) => /^(https?_proxy|no_proxy|NODE_EXTRA_CA_CERTS)$/i.test(name)),
    ),
  } as Record<string, string>
})

afterAll(async () => {
  // What a failed block may have left.
  await shell('for name in native second; do bin/run.js down --name $name; done')
  await rm(folder, { recursive: true, force: true })
})

describe('README.md, docs and CONTRIBUTING.md', () => {
  test('a failed start says what failed and what to do, and the next begins anew', async () => {
    const old = env
    env = {
      ...env,
      npm_config_registry: 'http://127.0.0.1:1/',
      npm_config_cache: join(folder, 'nothing'),
      npm_config_fetch_retries: '0',
    }
    const { exitCode, all } = await shell('npm start')
    env = old
    expect(exitCode).not.toBe(0)
    expect(all).toMatch(/native: "npm ci .*" ended with exit code \d+\nnative: npm needs its registry/)
  })

  test.each(examples.map((block) => ({ name: `${block.file}:${block.line}: ${firstLine(block)}`, block })))(
    '$name',
    async ({ block }) => {
      if (block.language === 'yaml') return writeFile(join(folder, 'home', block.mark), block.text)
      const { exitCode, stdout, all } = await shell(block.text)
      expect(exitCode, all).toBe(0)
      checks[block.text.trim()]?.(stdout, all)
    },
    10 * minutes,
  )

  test('after the last "native down" no process is left, no port with it, and no file', async () => {
    // vitest, which the block before has started, leaves a watchdog for a moment.
    expect((await processesUnder(folder)).filter((line) => !line.includes('vitest'))).toEqual([])
    const home = join(folder, 'home')
    // vitest has kept something of its own there.
    for (const name of ['state', 'share']) expect(await readdir(join(home, '.local', name))).not.toContain('native')
    expect((await readdir(home)).filter((name) => /^\.(?!local$|cache$|config$|bazelrc$)/.test(name))).toEqual([])
    // Logins went with their cluster.
    expect(existsSync(join(home, '.config/native/logins.json'))).toBe(false)
  })

  test('what must show something was there to be looked at', () => {
    const texts = blocks.map(({ text }) => text.trim())
    expect(Object.keys(checks).filter((text) => !texts.includes(text))).toEqual([])
  })

  test('every other shell block has a mark whose test runs it', () => {
    const others = blocks.filter(({ language, mark }) => language === 'sh' && mark !== '')
    expect(new Set(others.map(({ mark }) => mark))).toEqual(new Set(['test', 'package', 'bazel', 'kind']))
    // This very run.
    expect(others.filter(({ mark }) => mark === 'test').map(({ text }) => text)).toEqual(['npm test\n'])
  })
})

/** What a block must show, by its text. */
const checks: Readonly<Record<string, (stdout: string, all: string) => void>> = {
  'npm start'(stdout, all) {
    expect(stdout).toMatch(/^Cache IP: 127\.0\.0\.1:\d+\nScheduler IP: 127\.0\.0\.1:\d+$/m)
    expect(stdout.match(/^hello from a remote action$/gm)).toHaveLength(2)
    expect(all).toMatch(/native: executed on worker-1 in \d+ ms/)
    expect(all).toMatch(/native: cached \(it once ran on worker-1\)/)
  },
  'native serve cas --config ~/cas.yaml &\nsleep 3\nkill %1\nwait'(_, all) {
    expect(all).toContain('ready')
  },
}

function firstLine({ text }: Block): string {
  return text.split('\n', 1)[0] ?? ''
}
