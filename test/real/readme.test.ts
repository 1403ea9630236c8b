import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readDocuments } from '../fixture/documents.ts'
import { createNative, linkedPath, type Native, root } from '../fixture/program.ts'
import { createWorkdir, have, type Workdir } from '../fixture/real.ts'

// The shell blocks of README.md and docs that need Bazel, with those of the same section that prepare
// them: these on the machine, in the checkout; those in the chroot. Both have one home.

const { blocks } = await readDocuments()
const marked = blocks.filter(({ language, mark }) => language === 'sh' && mark === 'bazel')
const sections = new Set(marked.map(({ section }) => section))
const examples = blocks.filter(({ language, section }) => language === 'sh' && sections.has(section))

describe.skipIf(!(await have('sid:bazel')))('the documents with Bazel', () => {
  let native: Native
  let work: Workdir
  let home: string
  let path: string

  beforeAll(async () => {
    native = await createNative()
    work = createWorkdir()
    home = join(work.path, 'home')
    await mkdir(home)
    // Bazel's server goes by itself, should the suite die.
    path = await linkedPath(home)
    await writeFile(join(home, '.bazelrc'), 'startup --max_idle_secs=60\n')
    await native.ok('deploy')
  })
  afterAll(async () => {
    await work.chroot(['bash', '-c', 'cd ~/hello && bazel shutdown'])
    await native.dispose()
    await work.remove()
  })

  test('an example needs Bazel', () => {
    expect(marked.length).toBeGreaterThan(0)
  })

  test.each(examples.map((block) => ({ name: `${block.file}:${block.line}`, block })))('$name', async ({ block }) => {
    const command = ['bash', '-euo', 'pipefail', '-c', block.text]
    if (block.mark !== 'bazel') {
      const env = { ...native.env, HOME: home, PATH: path }
      const { exitCode, all } = await execa(command[0] ?? '', command.slice(1), {
        cwd: root,
        env,
        extendEnv: false,
        reject: false,
        all: true,
        stdin: 'ignore',
      })
      expect(exitCode, all).toBe(0)
      return
    }
    const { exitCode, all } = await work.chroot(command)
    expect(exitCode, all).toBe(0)
    const [remotely, again] = all.split('INFO: Build completed successfully')
    expect(remotely).toMatch(/\d+ remote\b(?! cache hit)/)
    expect(again).toMatch(/\d+ remote cache hit/)
    expect(again).not.toMatch(/\d+ remote[,.]/)
    expect(all).toMatch(/hello/i)
  })
})
