import type { Readable } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'
import { Failure } from '../core/failure.ts'

/** One value as a line. */
export function jsonLine(value: unknown): string {
  return `${JSON.stringify(value)}\n`
}

/**
 * The values of a stream of JSON lines, in order; the last line need not be terminated. The stream stays open if the
 * iteration ends early: a socket may still have to answer.
 * @param lineLengthMax characters per line
 * @throws Failure 'invalid' for a line that is too long or not JSON
 */
export async function* readJsonLines(source: Readable, lineLengthMax: number): AsyncGenerator<unknown, void> {
  const decoder = new StringDecoder('utf8')
  let rest = ''
  for await (const chunk of source.iterator({ destroyOnReturn: false })) {
    rest += decoder.write(chunk as Buffer)
    const lines = rest.split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) if (line.trim() !== '') yield parsed(line, lineLengthMax)
    if (rest.length > lineLengthMax) throw tooLong(lineLengthMax)
  }
  rest += decoder.end()
  if (rest.trim() !== '') yield parsed(rest, lineLengthMax)
}

function parsed(line: string, lineLengthMax: number): unknown {
  if (line.length > lineLengthMax) throw tooLong(lineLengthMax)
  try {
    return JSON.parse(line)
  } catch (cause) {
    throw new Failure('invalid', 'a line is not JSON', { where: line.slice(0, 128), cause })
  }
}

function tooLong(lineLengthMax: number): Failure {
  return new Failure('invalid', `a line is longer than ${lineLengthMax} characters`)
}
