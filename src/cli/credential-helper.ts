import { z } from 'zod'
import { expiryOf, tokenFor } from '../access/logins.ts'
import { Failure } from '../core/failure.ts'
import type { UserContext } from '../host/user-folders.ts'

/** Callers use an answer until the very moment that it expires, and a call may then still be on its way for this long. */
const earlyMs = 60_000
const requestLengthMax = 64 * 1024

const request = z.object({ uri: z.string().max(8192) })

/** What Bazel accepts as credentials (its credential helper protocol). */
export interface HelperAnswer {
  readonly headers: Readonly<Record<string, readonly string[]>>
  /** RFC 3339; absent if unknown. */
  readonly expires?: string
}

/**
 * Answers one request of the protocol: no headers if there is no token for the address.
 * @param text the request, JSON with a `uri`
 * @throws Failure 'invalid' for anything else
 */
export async function helperAnswer(user: UserContext, text: string): Promise<HelperAnswer> {
  const token = await tokenFor(user, placeOf(text))
  if (token === undefined) return { headers: {} }
  const expiryMs = expiryOf(token)
  return {
    headers: { authorization: [`Bearer ${token}`] },
    ...(expiryMs !== undefined && { expires: wholeSeconds(expiryMs - earlyMs) }),
  }
}

/** Bazel 7 cannot parse a time with fractions of a second. */
function wholeSeconds(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z')
}

/** `host:port` of the requested address; without a port, its scheme's default. */
function placeOf(text: string): string {
  try {
    const { protocol, hostname, port } = new URL(request.parse(JSON.parse(text)).uri)
    return `${hostname}:${port || (protocol === 'http:' ? '80' : '443')}`
  } catch (cause) {
    throw new Failure(
      'invalid',
      'this is not a request for credentials: expected JSON like {"uri":"https://host:port/"}',
      {
        where: 'standard input',
        next: ['Bazel runs this command: --credential_helper says for which host.'],
        cause,
      },
    )
  }
}

/** All of standard input, which is one small request. */
export async function readRequest(input: NodeJS.ReadStream): Promise<string> {
  let text = ''
  for await (const piece of input.setEncoding('utf8')) {
    text += String(piece)
    if (text.length > requestLengthMax) throw new Failure('invalid', 'the request is larger than 64 KiB')
  }
  return text
}
