import { Failure } from '../core/failure.ts'

// An import statement of node:http, and fetch as well, load undici: 40 ms of processor time in each `native status`.
const { get } = process.getBuiltinModule('node:http')

/** A server's metrics have 50 KiB. */
const answerBytesMax = 4 * 1024 * 1024

/**
 * What a server says at a path of its web address.
 * @param msMax for all of the answer
 * @returns undefined when it says nothing, or more than it would, in that time
 */
export function askWeb(
  address: string,
  path: string,
  msMax: number,
): Promise<{ status: number; text: string } | undefined> {
  return new Promise((resolve) => {
    const request = get(
      `http://${address}${path}`,
      { agent: false, signal: AbortSignal.timeout(msMax) },
      (response) => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (part: string) => {
          text += part
          if (text.length > answerBytesMax) response.destroy(new Failure('exhausted', 'the answer is too long'))
        })
        response.on('close', () => resolve(undefined))
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
        response.on('error', () => resolve(undefined))
      },
    )
    request.on('error', () => resolve(undefined))
  })
}
