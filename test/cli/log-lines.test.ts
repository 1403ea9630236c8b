import { PassThrough } from 'node:stream'
import { stripVTControlCharacters } from 'node:util'
import { expect, test } from 'vitest'
import { logJson, logText } from '../../src/cli/log-lines.ts'
import { createLog } from '../../src/telemetry/log.ts'

/** What a server's own log writes. */
function written(say: (log: ReturnType<typeof createLog>) => void): string {
  let text = ''
  const destination = {
    write(line: string) {
      text += line
    },
  }
  say(createLog({ level: 'debug', format: 'json', name: 'worker-1', destination }))
  return text.trimEnd()
}

const shown = (text: string, now = Date.now()) =>
  stripVTControlCharacters(logText({ server: 'worker-1', text }, now, process.stdout))

test('time, server, level, message and fields, and no more', () => {
  const text = written((log) =>
    log.warn('the scheduler does not answer', { worker: 'worker-1', pauseMs: 5, why: 'two words' }),
  )
  expect(shown(text)).toMatch(
    /^\d\d:\d\d:\d\d\.\d{3} {2}worker-1 {4}WARN {3}the scheduler does not answer worker=worker-1 pauseMs=5 why="two words"$/,
  )
})

test('of an error its message, and its stack below', () => {
  const lines = shown(written((log) => log.error('failed', { error: new Error('no room') }))).split('\n')
  expect(lines[0]).toMatch(/ERROR {2}failed error="no room"$/)
  expect(lines[1]).toMatch(/^ {4}at /)
})

test('the day stands before the time of another day alone', () => {
  const text = written((log) => log.info('ready'))
  expect(shown(text, Date.now() + 3 * 86_400_000)).toMatch(/^\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} /)
})

test('what is not JSON is shown as it is, in the column of messages; control characters of strangers are not', () => {
  expect(shown('Killed')).toMatch(/^ +worker-1 +Killed$/)
  for (const text of ['a\u001b[2Jb', written((log) => log.info('a\u001b[2Jb', { 'k\u001b[2J': 'v\u0007' }))])
    expect(
      ['\u001b[2J', '\u0007'].filter((each) => logText({ server: 'cas', text }, 0, process.stdout).includes(each)),
    ).toEqual([])
})

test('for programs each line is one object that names the server as status does', () => {
  const text = written((log) => log.info('ready', { server: 'cas', version: '1' }))
  const value = JSON.parse(logJson({ server: 'supervisor', text }))
  expect(value).toMatchObject({ name: 'supervisor', server: 'cas', level: 'info', msg: 'ready', version: '1' })
  expect(JSON.parse(logJson({ server: 'cas', text: 'Killed "now"' }))).toEqual({ name: 'cas', msg: 'Killed "now"' })
})

test('without colours where the stream or its user wants none', () => {
  const stream = Object.assign(new PassThrough(), { isTTY: false })
  expect(logText({ server: 'cas', text: 'x' }, 0, stream as unknown as NodeJS.WriteStream)).not.toContain('\u001b')
})
