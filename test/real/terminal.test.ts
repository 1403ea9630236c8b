import { stripVTControlCharacters } from 'node:util'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createNative, type Native, root } from '../fixture/program.ts'
import { have } from '../fixture/real.ts'

// A real terminal, made by script(1); one whose standard input is none has no size: 0 rows and 0 columns.

let native: Native
beforeAll(async () => {
  native = await createNative()
  await native.ok('deploy', '--workers', '1', '--slots', '1')
})
afterAll(() => native.dispose())

/** What the terminal gets when native is run on it, as `columns` wide as that. */
async function shown(args: string, columns: number | undefined, env: Record<string, string> = {}): Promise<string> {
  const size = columns === undefined ? '' : `stty cols ${columns} rows 24; `
  const command = `${size}"${process.execPath}" "${root}/bin/run.js" ${args}`
  const { NO_COLOR: _, ...rest } = native.env
  const { stdout } = await execa('script', ['-qec', command, '/dev/null'], {
    cwd: native.home,
    env: { ...rest, TERM: 'xterm', ...env },
    extendEnv: false,
    stdin: 'ignore',
    reject: false,
  })
  return stdout
}

const esc = '\u001b'
const lines = (text: string) => stripVTControlCharacters(text).split(/\r?\n/)
const widest = (text: string) => Math.max(...lines(text).map((line) => line.length))

describe.skipIf(!(await have('script')))('on a terminal', () => {
  test.each([
    [80, 'xterm', true],
    [30, 'xterm', true],
    [undefined, 'xterm', true],
    [80, 'dumb', false],
  ])('status --watch keeps to %s columns of TERM=%s, and Ctrl-C ends it with 0', async (columns, TERM, drawsOver) => {
    const watch = `status --watch --interval 300ms & pid=$!; sleep 4; kill -INT $pid; wait $pid; echo "ended with $?"`
    const text = await shown(watch, columns, { TERM })
    expect(lines(text).at(-1)).toBe('ended with 0')
    expect(text.includes(`${esc}[?25l`)).toBe(drawsOver)
    expect(text.includes(`${esc}[?25h`)).toBe(drawsOver)
    if (!drawsOver) return expect(text).toMatch(/Z deployed; none waiting, 0 of 1 slot busy on 1 worker/)
    expect(widest(text)).toBeLessThanOrEqual(columns ?? 80)
    // Each time from where the last began, so that nothing is left of it and nothing scrolls.
    const frames = text.split(`${esc}[J`).slice(0, -1)
    expect(frames.length).toBeGreaterThan(2)
    for (const [at, frame] of frames.entries()) {
      const drawn = (text_: string | undefined) => text_?.split('\n').length ?? 0
      if (at > 0) expect(frame).toContain(`${esc}[${drawn(frames[at - 1]) - 1}F`)
      expect(frame).toContain('Cluster "native" (process)')
    }
  })

  test('steps are redrawn, in colours', async () => {
    const text = await shown('deploy', 80)
    expect(text).toContain(`${esc}[?25l`)
    expect(widest(text)).toBeLessThanOrEqual(80)
  })

  test('that has no size they are as on one of 80 columns', async () => {
    const text = await shown('deploy', undefined)
    expect(lines(text).filter((line) => line.length === 1).length).toBeLessThan(5)
    expect(text).toContain('Cache and scheduler answer')
    expect(widest(text)).toBeLessThanOrEqual(80)
  })

  test.each([{ TERM: 'dumb' }, { CI: 'true' }])('with %j they are plain lines', async (env) => {
    const text = await shown('deploy', 80, env)
    expect(text).not.toContain(`${esc}[?25l`)
    expect(text.match(/^Servers: /gm)).toHaveLength(1)
    expect(text.match(/^Supervisor: /gm)).toHaveLength(1)
  })

  test('CI=false is none', async () => {
    expect(await shown('deploy', 80, { CI: 'false' })).toContain(`${esc}[?25l`)
  })

  test('NO_COLOR takes the colours and leaves the rest', async () => {
    const text = await shown('status', 80, { NO_COLOR: '1' })
    expect(text).not.toContain(esc)
    expect(await shown('status', 80)).toContain(`${esc}[32m`)
  })

  test.each(['status', 'deploy', 'doctor --help', 'nonsense', '--help'])(
    'of 40 columns %s keeps to them',
    async (args) => {
      expect(widest(await shown(args, 40))).toBeLessThanOrEqual(args.endsWith('doctor --help') ? 44 : 40)
    },
  )

  test('a file gets the result alone, and the steps stay on the terminal', async () => {
    const text = await shown('deploy > result', 80)
    expect(text).toContain('Servers')
    const { stdout } = await execa('cat', ['result'], { cwd: native.home })
    expect(stdout).toMatch(/^Cache IP: 127\.0\.0\.1:\d+\nScheduler IP: 127\.0\.0\.1:\d+$/)
  })
})
