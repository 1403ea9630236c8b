import { execa } from 'execa'
import { describe, expect, test } from 'vitest'
import { runChecks } from '../../../src/cluster/preflight/check.ts'
import { macSandboxCheck, sandboxCheck } from '../../../src/cluster/preflight/sandbox.ts'

describe.runIf(process.platform === 'linux')('sandbox', () => {
  test('says whether actions can run in one, as the machine has it', async () => {
    const spaces = [
      '--user',
      '--map-current-user',
      '--keep-caps',
      '--pid',
      '--mount',
      '--ipc',
      '--uts',
      '--net',
      '--fork',
    ]
    const tried = await execa('unshare', [...spaces, 'mount', '-t', 'proc', 'proc', '/proc'], { reject: false })
    const [found] = await runChecks([sandboxCheck(false)])
    expect(found).toMatchObject({ title: 'sandbox', state: tried.exitCode === 0 ? 'ok' : 'note' })
  })
})

test('on macOS it says what has to be asked for, and that it is unproven', async () => {
  const [there, gone] = await runChecks([macSandboxCheck('/bin/sh'), macSandboxCheck('/no/sandbox-exec')])
  expect(there).toMatchObject({
    title: 'sandbox',
    state: 'note',
    found: expect.stringContaining('never tried on a Mac'),
  })
  expect(there?.cure).toContain('native deploy --sandbox on')
  expect(gone).toMatchObject({ state: 'note', found: 'actions run without one: there is no /no/sandbox-exec' })
})
