import { styleText } from 'node:util'
import type { LogLine } from '../cluster/driver.ts'
import { fieldsOf, writtenAt } from '../core/log-line.ts'
import { printable } from '../core/printable.ts'

/** Per field, or message; a line may quote untrusted input. */
const charactersMax = 2_000
const serverWidth = 'supervisor'.length
const levelWidth = 'ERROR'.length
/** Shown in the columns, or of no use to a person. */
const unshown: ReadonlySet<string> = new Set(['level', 'time', 'name', 'pid', 'hostname', 'msg'])

/** A line for programs: one JSON object, with the server's name as in `status`. */
export function logJson({ server, text }: LogLine): string {
  return JSON.stringify({ ...(fieldsOf(text) ?? { msg: text }), name: server })
}

/** A line for people: time, server, level, message and fields; for an error, its stack trace below. */
export function logText({ server, text }: LogLine, now: number, stream: NodeJS.WriteStream): string {
  const style = (format: Parameters<typeof styleText>[0], part: string) => styleText(format, part, { stream })
  const name = style('cyan', printable(server).padEnd(serverWidth))
  const fields = fieldsOf(text)
  if (!fields) return `${' '.repeat(timeText(now, now).length)}  ${name}  ${printable(text, charactersMax)}`
  const level = levelOf(fields['level'])
  const shown = Object.entries(fields).filter(([key]) => !unshown.has(key))
  const facts = shown.map(([key, value]) => style('dim', `${printable(key)}=${valueText(value)}`))
  const message = printable(String(fields['msg'] ?? ''), charactersMax)
  const head = [
    style('dim', timeText(writtenAt(text) ?? now, now)),
    name,
    level.format ? style(level.format, level.word) : level.word,
    message,
  ]
  const line = [head.join('  '), ...facts].join(' ')
  return [line, ...stackLines(fields['error']).map((each) => style('dim', `    ${each}`))].join('\n')
}

function levelOf(level: unknown): { word: string; format?: 'red' | 'yellow' | 'dim' } {
  const word = printable(String(level ?? ''), levelWidth)
    .toUpperCase()
    .padEnd(levelWidth)
  switch (level) {
    case 'error':
    case 'fatal':
      return { word, format: 'red' }
    case 'warn':
      return { word, format: 'yellow' }
    case 'debug':
      return { word, format: 'dim' }
    default:
      return { word }
  }
}

/** `08:31:02.123` today, `11-28 08:31:02.123` on another day, in this machine's time zone. */
function timeText(ms: number, now: number): string {
  const local = (time: number) => {
    const date = new Date(time)
    return new Date(time - date.getTimezoneOffset() * 60_000).toISOString()
  }
  const [day = '', time = ''] = local(ms).split('T')
  const clock = time.slice(0, 'hh:mm:ss.mmm'.length)
  return day === local(now).split('T')[0] ? clock : `${day.slice('yyyy-'.length)} ${clock}`
}

/** A word unchanged, anything else as JSON; for an error, its message. */
function valueText(value: unknown): string {
  if (isError(value)) return JSON.stringify(printable(value.message, charactersMax))
  const text = typeof value === 'string' && /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value)
  return printable(text, charactersMax)
}

function stackLines(value: unknown): string[] {
  if (!isError(value) || value.stack === undefined) return []
  return value.stack
    .split('\n')
    .slice(1)
    .map((line) => printable(line.trim(), charactersMax))
}

function isError(value: unknown): value is { message: string; stack?: string } {
  return typeof value === 'object' && value !== null && 'message' in value && typeof value.message === 'string'
}
