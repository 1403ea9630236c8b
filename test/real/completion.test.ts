import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createNative, type Native } from '../fixture/program.ts'
import { have } from '../fixture/real.ts'

// The real shells, with a terminal where they complete only there: a line is typed with a tab in it, and what the shell
// then runs says what it made of it.

let native: Native
let folder: string
beforeAll(async () => {
  native = await createNative([])
  folder = await mkdtemp(join(tmpdir(), 'native-completion-'))
  await writeFile(join(folder, 'only-file.yaml'), '')
})
afterAll(async () => {
  await native.dispose()
  await rm(folder, { recursive: true })
})

const script = async (shell: string): Promise<string> => {
  const file = join(folder, `completion.${shell}`)
  await writeFile(file, (await native.ok('completion', shell)).stdout)
  return file
}

/** Types lines into a shell that has a terminal; answers all that it shows. */
async function typed(command: string, lines: readonly string[]): Promise<string> {
  const { stdout } = await execa('script', ['-qec', command, '/dev/null'], {
    cwd: folder,
    input: `${lines.join('\n')}\nexit\n`,
    env: { PATH: '/usr/bin:/bin', HOME: folder, TERM: 'dumb', PS1: '$ ' },
    extendEnv: false,
    timeout: 60_000,
  })
  return stdout
}

const cases = [
  ['native stat\t', '<status>'],
  ['native image ver\t', '<image><verify>'],
  ['native deploy --cach\t 1GB', '<deploy><--cache-size><1GB>'],
  ['native up --driver ki\t', '<up><--driver><kind>'],
  ['native deploy --config only-\t', '<deploy><--config><only-file.yaml>'],
  ['native exec -- cat only-\t', '<exec><--><cat><only-file.yaml>'],
  ['native help depl\t', '<help><deploy>'],
  ['native client cca\t', '<client><ccache>'],
  ['native client ccache --write only-\t', '<client><ccache><--write><only-file.yaml>'],
] as const

describe.skipIf(!(await have('script')))('bash', () => {
  test.each(cases)('%j becomes %s', async (line, expected) => {
    const file = await script('bash')
    const told = 'native() { printf "<%s>" "$@"; echo; }'
    expect(await typed('bash --norc --noprofile -i', [told, `source ${file}`, line])).toContain(expected)
  })

  test('a value behind = is completed too', async () => {
    const file = await script('bash')
    const told = 'native() { printf "<%s>" "$@"; echo; }'
    const shown = await typed('bash --norc --noprofile -i', [told, `source ${file}`, 'native up --driver=ki\t'])
    expect(shown).toContain('<up><--driver=kind>')
  })
})

describe.skipIf(!(await have('script', 'zsh')))('zsh', () => {
  test.each(cases)('%j becomes %s', async (line, expected) => {
    const file = await script('zsh')
    const told = 'native() { printf "<%s>" "$@"; echo; }'
    const begin = `autoload -U compinit; compinit -u -d ${folder}/zcompdump`
    expect(await typed('zsh -f -i', [told, begin, `source ${file}`, line])).toContain(expected)
  })
})

describe.skipIf(!(await have('fish')))('fish', () => {
  const completed = async (line: string): Promise<string[]> => {
    const file = await script('fish')
    const { stdout } = await execa('fish', ['-N', '-c', `source ${file}; complete -C ${JSON.stringify(line)}`], {
      cwd: folder,
      env: { PATH: '/usr/bin:/bin', HOME: folder },
      extendEnv: false,
    })
    return stdout.split('\n').map((each) => each.split('\t', 1)[0] ?? '')
  }

  test.each([
    ['native stat', ['status']],
    ['native image ver', ['verify']],
    ['native deploy --cach', ['--cache-size']],
    ['native up --driver ki', ['kind']],
    ['native deploy --config only-', ['only-file.yaml']],
    ['native help depl', ['deploy']],
    ['native client cca', ['ccache']],
    ['native client ccache --write only-', ['only-file.yaml']],
  ])('%j offers %j', async (line, expected) => {
    expect(await completed(line)).toEqual(expected)
  })

  test('every shell is offered what it is asked for, and no more', async () => {
    expect(await completed('native completion ')).not.toContain('deploy')
  })
})

describe.skipIf(!(await have('man')))('the manual page', () => {
  test('is shown by man without a warning', async () => {
    const file = join(folder, 'native.1')
    await writeFile(file, (await native.ok('man')).stdout)
    const { stdout, stderr } = await execa('man', ['--warnings=w', '-l', file], {
      env: { MANWIDTH: '80', LC_ALL: 'C.UTF-8' },
    })
    expect(stderr).toBe('')
    expect(stdout.replaceAll(/\s+/g, ' ')).toContain('native exec [flags] -- COMMAND [WORD...]')
  })
})
