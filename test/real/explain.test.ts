import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createCasClient } from '../../src/client/cas.ts'
import type { Explanation } from '../../src/explain/build.ts'
import { causeText } from '../../src/explain/sentences.ts'
import { openChannel } from '../../src/wire/channel.ts'
import { seededBlob } from '../fixture/blob.ts'
import { eventually } from '../fixture/eventually.ts'
import { createNative, type Native } from '../fixture/program.ts'
import { createWorkdir, have, type Output, type Workdir } from '../fixture/real.ts'

const libraries = ['a', 'b', 'c', 'd']

/** Four libraries that read one header, of which one also reads a header that an action makes with a tool. */
const buildFile = `load("@rules_cc//cc:defs.bzl", "cc_library")

genrule(
    name = "gen_version",
    srcs = ["version.txt"],
    outs = ["version.h"],
    tools = ["stamp.sh"],
    cmd = "sh $(location stamp.sh) $< > $@",
)
${libraries
  .map(
    (name) => `
cc_library(
    name = "${name}",
    srcs = ["${name}.cpp"],
    hdrs = ["base.h"${name === 'd' ? ', "version.h"' : ''}],
    linkstatic = True,
)
`,
  )
  .join('')}`

/** The tool: a header out of a version. */
const stamp = (comment: string) => `printf '// %s\\nstatic const char *version = "%s";\\n' '${comment}' "$(cat "$1")"\n`

describe.skipIf(!(await have('sid:bazel')))('what Bazel 7.7.1 did not find in the cache', () => {
  let native: Native
  let work: Workdir

  const bazel = (...args: string[]): Promise<Output> =>
    work.chroot(['bazel', '--max_idle_secs=60', ...args], { cwd: 'ws' })
  const write = (name: string, text: string) => writeFile(join(work.path, 'ws/app', name), text)

  /** Builds it all, and answers what is explained of that build once the console has read what it needs for it. */
  async function built(...flags: string[]): Promise<Explanation> {
    const ran = await bazel('build', '--config=lre', ...flags, '//app:all')
    expect(ran.exitCode, ran.all).toBe(0)
    const [id = ''] = /(?<=Invocation ID: )[0-9a-f-]+/.exec(ran.all) ?? []
    expect(id).not.toBe('')
    return eventually(
      async () => JSON.parse((await native.ok('explain', id, '--json')).stdout) as Explanation,
      ({ actions, causes }) => actions > 0 && causes.every(({ kind }) => kind !== 'not-uploaded'),
    )
  }

  const told = ({ causes }: Explanation) => causes.map((each) => `${each.actions} ${causeText(each)}`)

  beforeAll(async () => {
    native = await createNative()
    work = createWorkdir()
    await work.copy('workspace', 'ws')
    await mkdir(join(work.path, 'ws/app'))
    await write('BUILD.bazel', buildFile)
    await write('base.h', '#define BASE 1\n')
    await write('version.txt', '1.0\n')
    await write('stamp.sh', stamp('made'))
    for (const name of libraries)
      await write(
        `${name}.cpp`,
        `#include "app/base.h"\n${name === 'd' ? '#include "app/version.h"\n' : ''}int ${name}() { return BASE; }\n`,
      )
    // What the builds before have used makes room at once: by default it is kept for ten minutes.
    const config = join(work.path, 'deployment.yaml')
    await writeFile(config, 'cas: { pins: { silence: 0s } }\n')
    await native.ok('deploy', '--config', config, '--slots', '2', '--property', 'tier=large', '--cache-size', '64MiB')
    await native.ok('bazelrc', '--write', join(work.path, 'ws/native.bazelrc'))
  })
  afterAll(async () => {
    await bazel('shutdown')
    await native.dispose()
    await work.remove()
  })

  test('the first build of something has never been seen', async () => {
    const first = await built()
    expect(new Set(first.causes.map(({ kind }) => kind))).toEqual(new Set(['never-seen']))
    await bazel('clean')
    const again = await built()
    expect(again).toMatchObject({ actions: first.actions, hits: first.actions, causes: [] })
  })

  test('a header that all read', async () => {
    await write('base.h', '#define BASE 2\n')
    const explanation = await built()
    // Four compilations, and the archives of what they made.
    expect(told(explanation)).toEqual(['8 input app/base.h changed'])
    expect(explanation.causes[0]?.chain).toMatchObject([{ mnemonic: 'CppCompile' }])
  })

  test('a file from which an action makes a header', async () => {
    await write('version.txt', '1.1\n')
    const explanation = await built()
    expect(told(explanation)[0]).toMatch(/^\d input app\/version\.txt changed$/)
    const { stdout } = await native.ok('explain', '//app:d')
    expect(stdout).toContain('input app/version.txt changed')
    expect(stdout).toMatch(/version\.txt.*\/\/app:gen_version/s)
  })

  test('a tool', async () => {
    await write('stamp.sh', stamp('made by another version of the tool'))
    const explanation = await built()
    expect(told(explanation)[0]).toMatch(/^\d input app\/stamp\.sh changed$/)
    const { stdout } = await native.ok('explain', '//app:gen_version')
    expect(stdout).toContain('input app/stamp.sh changed')
  })

  test('a flag', async () => {
    const explanation = await built('--copt=-DMINE=1')
    expect(told(explanation)[0]).toMatch(/^4 argument -DMINE=1 is new$/)
  })

  test('a variable', async () => {
    const explanation = await built('--action_env=PATH=/home/me/bin:/usr/bin:/bin')
    expect(told(explanation)[0]).toMatch(/^\d variable PATH (differs|is new)$/)
  })

  test('the platform', async () => {
    const explanation = await built('--remote_default_exec_properties=tier=large')
    expect(told(explanation)[0]).toMatch(/^\d+ platform property tier is new$/)
    expect(explanation.causes).toHaveLength(1)
  })

  test('results that had to make room', async () => {
    // Three times what the cache may hold.
    const channel = openChannel(JSON.parse((await native.ok('ips', '--json')).stdout).cache.url)
    try {
      for (let seed = 0; seed < 48; seed += 1) {
        const { digest, bytes } = seededBlob(seed, 4_000_000)
        await createCasClient(channel).upload([{ digest, content: bytes }])
      }
    } finally {
      channel.close()
    }
    await bazel('clean')
    const { actions, causes } = await built()
    expect(causes.map(({ kind }) => kind).filter((kind) => kind !== 'evicted' && kind !== 'incomplete')).toEqual([])
    expect(causes.reduce((sum, each) => sum + each.actions, 0)).toBe(actions)
    for (const { evictedMs } of causes) expect(evictedMs?.least).toBeGreaterThanOrEqual(0)
  })

  test('a client that does not look', async () => {
    await bazel('clean')
    const explanation = await built('--noremote_accept_cached')
    expect(told(explanation)).toEqual([`${explanation.actions} the cache was not asked`])
  })
})
