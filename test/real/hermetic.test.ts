import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readDocuments } from '../fixture/documents.ts'
import { eventually } from '../fixture/eventually.ts'
import { createNative, type Native } from '../fixture/program.ts'
import { createWorkdir, have, type Workdir } from '../fixture/real.ts'

const { blocks } = await readDocuments()

describe.skipIf(!(await have('sid:bazel', 'strace')))(
  'a build of Bazel 7.7.1 that takes what it does not declare',
  () => {
    let native: Native
    let work: Workdir

    const bazel = (...args: string[]) => work.chroot(['bazel', '--max_idle_secs=60', ...args], { cwd: 'ws' })

    beforeAll(async () => {
      native = await createNative()
      work = createWorkdir()
      await work.copy('hermetic', 'ws')
      await mkdir(join(native.home, '.config/report'), { recursive: true })
      await writeFile(join(native.home, '.config/report/settings'), 'level=3\n')
      await native.ok('up')
      await native.ok('deploy', '--sandbox', 'on')
      await native.ok('bazelrc', '--write', join(work.path, 'ws/native.bazelrc'))
    })
    afterAll(async () => {
      await bazel('shutdown')
      await native.dispose()
      await work.remove()
    })

    test('docs/ready.md shows what is found', async () => {
      const settings = join(native.home, '.config/report/settings')
      const built = await bazel('build', '--config=lre', `--action_env=REPORT_SETTINGS=${settings}`, '//:report')
      expect(built.exitCode).toBe(0)
      const { stdout } = await eventually(
        () => native.run('check-hermetic', '--allow', '/usr', '--allow', '/lib', '--allow', '/bin', '--allow', '/etc'),
        (ran) => ran.stdout.includes('its only action was run'),
      )
      const [shown] = blocks.filter(({ file, language }) => file === 'docs/ready.md' && language === 'text')
      const [, ...told] = (shown?.text ?? '').split('\n\n')
      expect(told.length).toBeGreaterThan(2)
      for (const paragraph of told) expect(stdout.replaceAll(native.home, '/home/me')).toContain(paragraph.trimEnd())
    })
  },
)
