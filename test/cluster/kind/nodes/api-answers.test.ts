import { chmod, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { untilApiAnswers } from '../../../../src/cluster/kind/nodes/api-answers.ts'
import { kindPaths } from '../../../../src/cluster/kind/paths.ts'
import { systemClock } from '../../../../src/core/clock.ts'
import { testFolder } from '../../../fixture/folder.ts'

/** A world whose `docker exec` ends with these exit codes, one after the other, and whose kubectl works. */
async function worldOf(codes: readonly number[]) {
  const folder = await testFolder()
  const calls = join(folder, 'calls')
  const cases = codes.map((code, at) => `${at + 1}) exit ${code};;`).join(' ')
  const docker = `[ "$1" = exec ] || exit 0; echo x >>${calls}; case $(wc -l <${calls} | tr -d ' ') in ${cases} esac`
  for (const [name, body] of Object.entries({ docker, kubectl: 'exit 0' })) {
    await writeFile(join(folder, name), `#!/bin/sh\n${body}\n`)
    await chmod(join(folder, name), 0o755)
  }
  const env = { PATH: `${folder}:${process.env['PATH']}`, XDG_STATE_HOME: folder }
  const user = { env, home: folder, tmp: folder, uid: -1 }
  const context = { paths: kindPaths('native', user), user, clock: systemClock }
  return { context, tries: async () => (await readFile(calls, 'utf8')).trim().split('\n').length }
}

const signal = new AbortController().signal

test('a node that starts once more while it is asked is asked again', async () => {
  const { context, tries } = await worldOf([137, 126])
  await untilApiAnswers(context, signal)
  expect(await tries()).toBe(3)
})

test('a node that does not come back is an error once the time is over', async () => {
  const { context } = await worldOf([1, 1, 1])
  await expect(untilApiAnswers(context, signal, 1_500)).rejects.toMatchObject({ kind: 'deadline' })
})
