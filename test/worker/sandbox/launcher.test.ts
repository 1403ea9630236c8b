import { chmodSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { execa } from 'execa'
import { describe, expect, test } from 'vitest'
import { launcherProgram, makeLauncher } from '../../../src/worker/sandbox/launcher.ts'
import { testFolder } from '../../fixture/folder.ts'
import { root } from '../../fixture/program.ts'

/** The right to take capabilities away: root's, or an ordinary user's in a namespace. */
const inNamespace = process.getuid?.() === 0 ? [] : ['unshare', '--user', '--map-root-user']
const state = ['grep', '-E', '^(Cap|NoNewPrivs)', '/proc/self/status']

describe.skipIf(process.platform !== 'linux' || !launcherProgram(process.arch))('the launcher', () => {
  async function launched(words: readonly string[], before: readonly string[] = []) {
    const file = join(await testFolder(), 'launch')
    expect(makeLauncher(file)).toBe(true)
    const [program = '', ...rest] = [...inNamespace, ...before, file, ...words]
    return execa(program, rest, { reject: false, extendEnv: false, env: { PATH: '/usr/bin:/bin', A: 'b c' } })
  }

  test('takes from a program what setpriv takes', async () => {
    const [program = '', ...rest] = inNamespace
    const powerless = ['--no-new-privs', '--inh-caps=-all', '--ambient-caps=-all', '--bounding-set=-all', '--']
    const words = [...rest, ...(program ? ['setpriv'] : []), ...powerless, ...state]
    const { stdout } = await execa(program || 'setpriv', words)
    expect(stdout).toMatch(/CapBnd:\s+0{16}\n.*\nNoNewPrivs:\s+1$/)
    expect(await launched(['/usr/bin/env', '--', ...state])).toMatchObject({ exitCode: 0, stdout })
    expect(await launched(['/usr/bin/env', '--', '/bin/grep', ...state.slice(1)])).toMatchObject({ stdout })
  })

  test('hands on words and variables as they are', async () => {
    const words = ['a b', '', '--', "it's", '-x']
    const { stdout } = await launched(['/usr/bin/env', '--', '/bin/sh', '-c', 'printf "%s|" "$A" "$@"', ...words])
    expect(stdout).toBe("b c||--|it's|-x|")
    const all = await launched(['/usr/bin/env', '--', '/usr/bin/env', '-i', 'X=1', 'env'])
    expect(all.stdout).toBe('X=1')
  })

  test('leaves it to env to look names up, to run plain scripts, and to say what cannot be started', async () => {
    const folder = await testFolder()
    writeFileSync(join(folder, 'plain'), 'echo "plain $1"')
    chmodSync(join(folder, 'plain'), 0o755)
    expect(await launched(['/usr/bin/env', '--', join(folder, 'plain'), 'script'])).toMatchObject({
      stdout: 'plain script',
    })
    expect(await launched(['/usr/bin/env', '--', 'sh', '-c', 'echo $0'])).toMatchObject({ stdout: 'sh' })
    const stderr = expect.stringContaining('nosuch')
    expect(await launched(['/usr/bin/env', '--', './nosuch'])).toMatchObject({ exitCode: 127, stderr })
    expect(await launched(['/usr/bin/env', '--', 'nosuch'])).toMatchObject({ exitCode: 127, stderr })
    expect(await launched(['/usr/bin/env', '--', '/'])).toMatchObject({ exitCode: 126 })
  })

  test('starts nothing when it cannot take capabilities away, or is told nothing to start', async () => {
    const withoutRight = ['setpriv', '--bounding-set=-setpcap', '--inh-caps=-setpcap', '--']
    const stderr = 'the capabilities of an action cannot be taken away.'
    const refused = await launched(['/usr/bin/env', '--', '/bin/echo', 'started'], withoutRight)
    expect(refused).toMatchObject({ exitCode: 125, stdout: '', stderr })
    for (const words of [['/usr/bin/env'], ['/usr/bin/env', '--'], ['a', 'b']])
      expect(await launched(words)).toMatchObject({ exitCode: 125, stdout: '' })
  })

  test('is made once', async () => {
    const file = join(await testFolder(), 'launch')
    expect(makeLauncher(file)).toBe(true)
    const { ino } = statSync(file)
    expect(makeLauncher(file)).toBe(true)
    expect(statSync(file).ino).toBe(ino)
  })

  test('is not there where files cannot be executed', async () => {
    const folder = await testFolder()
    const code = `import { makeLauncher } from ${JSON.stringify(join(root, 'src/worker/sandbox/launcher.ts'))}
      import { readdirSync } from 'node:fs'
      console.log(makeLauncher('launch'), readdirSync('.').length)`
    const script =
      'mount -t tmpfs -o noexec none "$1" && cd "$1" && exec "$2" --no-warnings --input-type=module -e "$3"'
    const words = ['--user', '--map-root-user', '--mount', 'sh', '-c', script, 'sh', folder, process.execPath, code]
    expect(await execa('unshare', words)).toMatchObject({ stdout: 'false 0' })
  })
})

test('there is none for a machine without code', () => {
  expect(launcherProgram('s390x')).toBeUndefined()
})
