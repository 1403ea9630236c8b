import { Failure } from '../core/failure.ts'

// Importing node:http, or using fetch, loads undici: 40 ms of processor time in each `native status`.
const { get } = process.getBuiltinModule('node:http')

/** A server's metrics take some 50 KiB. */
const answerBytesMax = 4 * 1024 * 1024

/**
 * A server's response at a path of its web address.
 * @param msMax for the whole response
 * @returns undefined if there is none in that time, or it is too long
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
