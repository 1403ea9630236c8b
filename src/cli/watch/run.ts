import { systemClock } from '../../core/clock.ts'
import { Failure } from '../../core/failure.ts'
import { printable } from '../../core/printable.ts'
import { headText, problemLines, serversText } from '../status.ts'
import { columnsFor } from '../terminal.ts'
import { usageLines } from '../usage.ts'
import { createScreen } from './screen.ts'
import { type Look, lookLine, rateLines } from './text.ts'
import { type WatchOptions, watchCluster } from './watch.ts'

export interface WatchOutput {
  /** One JSON value per line. */
  readonly json: boolean
  readonly stdout: NodeJS.WriteStream
  /** May output be redrawn? */
  readonly live: boolean
}

const intervalMsMin = 200
const intervalMsMax = 24 * 3600_000

/** @throws Failure 'invalid' for an invalid interval */
export async function runWatch(options: Pick<WatchOptions, 'ask' | 'intervalMs' | 'signal'>, output: WatchOutput) {
  const { intervalMs } = options
  if (intervalMs < intervalMsMin || intervalMs > intervalMsMax)
    throw new Failure('invalid', 'the interval is between 200ms and 24h', { where: '--interval' })
  const { json, stdout, live } = output
  if (json) return watchCluster({ ...options, clock: systemClock, show: (look) => writeLine(stdout, jsonOf(look)) })
  if (!live) return watchCluster({ ...options, clock: systemClock, show: (look) => writeLine(stdout, lookLine(look)) })
  const screen = createScreen(stdout)
  try {
    await watchCluster({
      ...options,
      clock: systemClock,
      show: (look) => screen.draw(linesOf(look, stdout, intervalMs)),
    })
  } finally {
    screen.end()
  }
}

function linesOf(look: Look, stream: NodeJS.WriteStream, intervalMs: number): string[] {
  const { status, error, at } = look
  const time = `${new Date(at).toTimeString().slice(0, 8)}, every ${intervalMs / 1000} s; Ctrl-C ends`
  if (!status) return [time, `! ${printable(error ?? '')}`]
  // What changes comes first: a terminal with few rows has no room for the rest.
  const usage = status.servers.length === 0 ? [] : ['', ...rateLines(look), ...usageLines(status, columnsFor(stream))]
  const servers = serversText(status, at, stream)
  const text = [headText(status, stream), time, ...problemLines(status), ...usage, ...(servers && ['', servers])]
  return text.flatMap((each) => each.split('\n'))
}

function jsonOf({ at, status, error, rates }: Look): string {
  return JSON.stringify(status ? { at, ...status, rates } : { at, error: error ?? '' })
}

function writeLine(stream: NodeJS.WriteStream, line: string): void {
  stream.write(`${line}\n`)
}
