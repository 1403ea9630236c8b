import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { copyFile, cp } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createNative, type Native } from '../fixture/program.ts'
import { createWorkdir, have, npmModules, type Workdir } from '../fixture/real.ts'

const slots = 2
const parts = Array.from({ length: 12 }, (_, number) => `part_${number}`)
const shape = (sides: 'number' | 'string') => `export interface Shape {\n  sides: ${sides}\n}\n`
/** The compiler of rules_nodejs' ts_library, and what it imports. */
const packages = [
  ...['@bazel/concatjs', 'typescript', 'tsutils', 'tslib', 'source-map', 'source-map-support', 'buffer-from'],
  ...['protobufjs', '@protobufjs', 'long'],
]

describe.skipIf(!(await have('sid:bazel', 'npm:@bazel/concatjs', 'npm:typescript')))(
  'Bazel 7.7.1 with the TypeScript compiler of rules_nodejs, which stays',
  () => {
    let native: Native
    let work: Workdir

    const bazel = (...args: string[]) => work.chroot(['bazel', '--max_idle_secs=60', ...args], { cwd: 'ws' })
    const build = (...targets: string[]) =>
      bazel('build', '--config=lre', '--experimental_remote_mark_tool_inputs', '--jobs=20', ...targets)
    /** Of each part: its process, by when that began, which of its compilations it was, and what was parsed already. */
    const compiled = async () => {
      await work.chroot(['sh', '-c', 'rm -rf ../out; mkdir ../out; cp -L bazel-bin/part_*.json ../out/'], { cwd: 'ws' })
      const names = readdirSync(join(work.path, 'out')).filter((name) => name.endsWith('.trace.json'))
      return names.map((name) => {
        const events: { name: string; ts: number; args?: { hits: number; misses: number } }[] = JSON.parse(
          readFileSync(join(work.path, 'out', name), 'utf8'),
        )
        return {
          process: events[0]?.ts,
          number: events.filter((event) => event.name === 'createProgramAndEmit').length,
          parsed: events.findLast((event) => event.name === 'file cache hit rate')?.args,
        }
      })
    }

    beforeAll(async () => {
      native = await createNative()
      work = createWorkdir()
      const tools = join(await work.copy('typescript', 'ws'), 'tools')
      await copyFile(process.execPath, join(tools, 'node'))
      // A BUILD file would make a package of Bazel's own of each folder that has one.
      for (const name of packages)
        await cp(join(npmModules, name), join(tools, 'node_modules', name), {
          recursive: true,
          filter: (source) => !/^BUILD(\.bazel)?$/.test(basename(source)),
        })
      const ofShape = (sides: string) =>
        `import { Shape } from './shape'\nexport const part: Shape = { sides: ${sides} }\n`
      for (const [number, name] of parts.entries()) work.write(`ws/${name}.ts`, ofShape(String(number)))
      work.write('ws/wrong.ts', ofShape("'three'"))
      work.write('ws/shape.ts', shape('number'))
      await native.ok('up')
      const settings = join(work.path, 'deployment.json')
      writeFileSync(settings, JSON.stringify({ worker: { persistent: { enabled: true } } }))
      const deployment = ['--config', settings, '--workers', '1', '--slots', String(slots)]
      await native.ok('deploy', '--sandbox', 'on', ...deployment)
      await native.ok('bazelrc', '--write', join(work.path, 'ws/native.bazelrc'))
    })
    afterAll(async () => {
      await bazel('shutdown')
      await native.dispose()
      await work.remove()
    })

    test('a few processes compile everything, and parse nothing twice', async () => {
      const ran = await build('//...')
      expect([ran.exitCode, ran.all]).toEqual([0, expect.stringMatching(/ 13 remote\b/)])
      const all = await compiled()
      expect(all).toHaveLength(parts.length)
      expect(new Set(all.map((part) => part.process)).size).toBeLessThanOrEqual(slots)
      for (const { number, parsed } of all) if (number > 2) expect(parsed?.misses).toBeLessThanOrEqual(1)
    })

    test('an error is the compiler’s own', async () => {
      const ran = await build('//:wrong')
      expect(ran.exitCode).toBe(1)
      expect(ran.all).toContain("wrong.ts:2:30 - error TS2322: Type 'string' is not assignable to type 'number'.")
    })

    test('an input that has changed is not taken for the one that the process has seen', async () => {
      work.write('ws/shape.ts', shape('string'))
      const ran = await build('//:part_3')
      expect(ran.exitCode).toBe(1)
      expect(ran.all).toContain("part_3.ts:2:30 - error TS2322: Type 'number' is not assignable to type 'string'.")
      expect((await build('//:wrong')).exitCode).toBe(0)
    })
  },
)
