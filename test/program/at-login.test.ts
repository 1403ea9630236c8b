import { access, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ClusterStatus } from '../../src/cluster/status.ts'
import { createNative, type Native } from '../fixture/program.ts'

// `native up --at-login` where no systemd of the user's answers, as in a container: the files, and what is said of them.
// test/real/at-login.test.ts logs in.

let native: Native
let unit: string
beforeAll(async () => {
  native = await createNative()
  unit = join(native.home, 'config/systemd/user/native-native.service')
})
afterAll(() => native.dispose())

const status = async (): Promise<ClusterStatus> => JSON.parse((await native.ok('status', '--json')).stdout)
const doctor = async () =>
  (await native.run('doctor')).stdout.split('\n').filter((line) => /at log-in|up --at-login/.test(line))
const isThere = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  )

describe.runIf(process.platform === 'linux')('native up --at-login', () => {
  test('without it nothing is set up', async () => {
    await native.ok('up')
    expect((await status()).atLogin).toBeNull()
    expect(await isThere(unit)).toBe(false)
    expect(await doctor()).toEqual([expect.stringMatching(/^ok .*nothing is brought up/)])
  })

  test('writes the unit, and says what to run where systemd cannot be told', async () => {
    const { stderr } = await native.ok('up', '--at-login')
    expect(stderr).toContain(`${unit} is written, but systemd was not told (`)
    expect(stderr).toContain('Run, in a session of your own: systemctl --user enable native-native.service')
    expect((await stat(unit)).mode & 0o777).toBe(0o600)
    expect(await readFile(unit, 'utf8')).toContain(' up --name native --driver process\n')
    expect((await status()).atLogin).toEqual({ unit, state: 'disabled' })
    expect((await native.ok('status')).stdout).toContain('its unit is not enabled')
    expect((await doctor()).join('\n')).toMatch(/^note .*is not enabled\n.*Run "native up --at-login"/)
  })

  test('a unit for another program is told, and written anew', async () => {
    const text = await readFile(unit, 'utf8')
    await writeFile(unit, text.replace('run.js', 'gone.js'))
    expect((await status()).atLogin).toEqual({ unit, state: 'stale' })
    await native.ok('up', '--at-login')
    expect(await readFile(unit, 'utf8')).toBe(text)
  })

  test.each([
    ['up --no-at-login', ['up', '--no-at-login']],
    ['down', ['down']],
    ['down --keep-data', ['down', '--keep-data']],
  ])('%s takes it back, and says so', async (_, words) => {
    await native.ok('up', '--at-login')
    const { stderr } = await native.ok(...words)
    expect(stderr).toMatch(/^Start at log-in: no longer/m)
    expect(await readdir(join(unit, '..'))).toEqual([])
    expect((await status()).atLogin).toBeNull()
    await native.ok('down')
  })

  test('down says nothing of it where there was none', async () => {
    expect((await native.ok('down')).stderr).not.toContain('log-in')
  })

  test('is refused by the driver that does not take it', async () => {
    const { exitCode, stderr } = await native.run('up', '--driver', 'kind', '--at-login')
    expect(exitCode).toBe(2)
    expect(stderr).toMatch(/^error: --at-login .*/)
  })
})
