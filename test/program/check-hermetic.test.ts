import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { HermeticReport } from '../../src/cli/check-hermetic.ts'
import { readDocuments } from '../fixture/documents.ts'
import { eventually } from '../fixture/eventually.ts'
import { createNative, type Native } from '../fixture/program.ts'
import { disagreements } from '../fixture/shape.ts'

const { tables } = await readDocuments()

describe.runIf(process.platform === 'linux')('check-hermetic', () => {
  let native: Native
  beforeAll(async () => {
    native = await createNative()
    await native.ok('deploy', '--slots', '2')
    await mkdir(join(native.home, 'src'))
    await writeFile(join(native.home, 'src/main.c'), '#include <stdio.h>\nint main(void) { return 0; }\n')
    await writeFile(join(native.home, 'settings'), 'x')
  })
  afterAll(() => native.dispose())

  const exec = (...command: string[]) =>
    native.ok('exec', '--input', 'src', '--output', 'out', '--force', '--', ...command)
  /** What is told of the last build, once the console knows an action by this. */
  const checked = async (...flags: string[]) => {
    const ran = await eventually(
      () => native.run('check-hermetic', '--json', ...flags),
      ({ stdout }) => (JSON.parse(stdout) as HermeticReport).checked === 1,
    )
    return { exitCode: ran.exitCode, report: JSON.parse(ran.stdout) as HermeticReport }
  }

  test('a compilation takes its compiler and headers from the machine', async () => {
    await exec('cc', '-c', 'main.c', '-o', 'out')
    const { exitCode, report } = await checked()
    expect(exitCode).toBe(31)
    const whats = (kind: string) => report.findings.filter((each) => each.kind === kind).map(({ what }) => what)
    expect(whats('tool').join()).toMatch(/\/(cc|gcc)\b/)
    expect(whats('header')).toContain('/usr/include/stdio.h')
    expect([...whats('missing'), ...whats('network'), ...whats('output')]).toEqual([])
    const table = tables.find(({ file, title }) => file === 'docs/json.md' && title.startsWith('`check-hermetic`'))
    if (!table) throw new Error('docs/json.md has no table of it')
    const unchecked = [{ action: '', target: '', mnemonic: '', why: '' }]
    const unseen = { unchecked, stopped: { actions: 1, message: '' } }
    expect(disagreements(table, [report, unseen])).toEqual([])
  })

  test('with the toolchain allowed nothing is left to tell', async () => {
    const { exitCode, report } = await checked('--allow', '/usr', '--allow', '/lib', '--allow', '/etc')
    expect([exitCode, report.findings, report.unchecked]).toEqual([0, [], []])
  })

  test('what was looked for, the network, and an output that differs', async () => {
    const reach = 'IO::Socket::INET->new(PeerAddr => "192.0.2.1", PeerPort => 80, Timeout => 1)'
    await exec('sh', '-c', `cat ${native.home}/settings; date +%s%N > out; perl -MIO::Socket::INET -e '${reach}'; :`)
    const { report } = await checked('--allow', '/usr', '--allow', '/lib', '--allow', '/etc', '--allow', '/bin')
    expect(report.findings.map(({ kind, what }) => [kind, what])).toEqual([
      ['missing', `${native.home}/settings`],
      ['network', '192.0.2.1:80'],
      ['output', 'out'],
    ])
    const { stdout, exitCode } = await native.run('check-hermetic')
    expect(exitCode).toBe(31)
    expect(stdout).toContain(`${native.home}/settings (1 action, exec)`)
  })

  test('it is no build itself, and another one can be named', async () => {
    const { stdout } = await native.ok('builds', '--json')
    const { builds } = JSON.parse(stdout) as { builds: { id: string; tool: string }[] }
    expect(builds.map(({ tool }) => tool)).toEqual(['native', 'native'])
    const first = builds.at(-1)?.id ?? ''
    const { stdout: told } = await native.run('check-hermetic', first.slice(0, 8), '--json')
    expect(JSON.parse(told)).toMatchObject({ build: first, checked: 1 })
    expect((await native.run('check-hermetic', 'nobody')).exitCode).toBe(3)
  })
})
