import { StringDecoder } from 'node:string_decoder'
import type { OutputStream } from '../../client/follow.ts'
import type { RunEvent, RunFacts } from '../../client/run-output.ts'

/** A line that an action has printed, without its terminator; still untrusted text. */
export interface OutputLine extends RunFacts {
  readonly stream: OutputStream
  readonly text: string
  /** Bytes before it that are lost. */
  readonly lost: number
}

/** A longer line is split. */
const lineCharactersMax = 8_192

interface Stream {
  readonly decoder: StringDecoder
  rest: string
  lost: number
}

interface Run {
  readonly facts: RunFacts
  readonly streams: Readonly<Record<OutputStream, Stream>>
}

/** Splits runs' output into lines: each run and stream separately, including an unterminated line at a run's end. */
export function createLines(): (event: RunEvent) => OutputLine[] {
  const runs = new Map<number, Run>()

  function linesOf({ facts, streams }: Run, name: OutputStream, text: string): OutputLine[] {
    const stream = streams[name]
    const parts = `${stream.rest}${text}`.split(/\r?\n|\r(?!$)/)
    stream.rest = parts.pop() ?? ''
    while (stream.rest.length > lineCharactersMax) {
      parts.push(stream.rest.slice(0, lineCharactersMax))
      stream.rest = stream.rest.slice(lineCharactersMax)
    }
    return parts.flatMap(cut).map((each) => {
      const { lost } = stream
      stream.lost = 0
      return { ...facts, stream: name, text: each, lost }
    })
  }

  return (event) => {
    if (event.kind === 'begun') {
      const { kind: _, run, ...facts } = event
      runs.set(run, { facts, streams: { stdout: emptyStream(), stderr: emptyStream() } })
      return []
    }
    const run = event.kind === 'flight' ? undefined : runs.get(event.run)
    if (!run) return []
    if (event.kind === 'output') {
      const stream = run.streams[event.stream]
      stream.lost += event.lost
      return linesOf(run, event.stream, stream.decoder.write(Buffer.from(event.data)))
    }
    if (event.kind !== 'ended') return []
    runs.delete(event.run)
    return (['stdout', 'stderr'] as const).flatMap((name) => {
      const stream = run.streams[name]
      const text = stream.decoder.end()
      return stream.rest === '' && text === '' ? [] : linesOf(run, name, `${text}\n`)
    })
  }
}

function emptyStream(): Stream {
  return { decoder: new StringDecoder('utf8'), rest: '', lost: 0 }
}

function cut(line: string): string[] {
  const parts: string[] = []
  for (let at = 0; at === 0 || at < line.length; at += lineCharactersMax)
    parts.push(line.slice(at, at + lineCharactersMax))
  return parts
}
