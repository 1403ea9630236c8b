import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { openBuildHistory } from '../client/build-history.ts'
import { negotiate } from '../client/capabilities.ts'
import { hostPortText, parseGrpcUrl } from '../core/address.ts'
import { Failure } from '../core/failure.ts'
import { openChannel } from '../wire/channel.ts'
import { Code, RpcError } from '../wire/rpc.ts'
import { toFailure } from '../wire/status.ts'
import { type CallTarget, openCalled } from '../wire/tls/called.ts'

const tokenLengthMax = 8192
const askMsMax = 10_000

/**
 * `grpc://host:port`, or `grpcs://host:port` of a server with TLS, of what a person writes for an address.
 * @throws Failure 'invalid'
 */
export function serverUrl(text: string): string {
  const [, scheme = 'grpc', rest = text] = /^(grpcs?|https?):\/\/(.*)$/.exec(text) ?? []
  const isSecure = scheme === 'grpcs' || scheme === 'https'
  const place = parseGrpcUrl(`${isSecure ? 'grpcs' : 'grpc'}://${rest}`)
  if (!('host' in place)) throw new Failure('invalid', 'a socket asks for no token', { where: text })
  return `${isSecure ? 'grpcs' : 'grpc'}://${hostPortText(place)}`
}

/** What is said of that before the token is asked for. */
export const readableNote =
  'without TLS, anyone on the network path can read the token: write grpcs:// if the server speaks TLS'

/**
 * A token from standard input: typed without being shown, or piped in.
 * @throws Failure 'invalid' for what is not a token
 */
export async function readToken(input: NodeJS.ReadStream, output: NodeJS.WriteStream): Promise<string> {
  const text = (input.isTTY ? await typed(input, output) : await piped(input)).trim()
  if (/^[\x21-\x7e]{1,8192}$/.test(text)) return text
  throw new Failure('invalid', 'the input is not a token: it is empty, or contains spaces or line breaks', {
    next: ['Paste it, or pipe it in: native login ADDRESS < token.txt'],
  })
}

async function piped(input: NodeJS.ReadStream): Promise<string> {
  let text = ''
  for await (const piece of input.setEncoding('utf8')) {
    text += String(piece)
    if (text.length > tokenLengthMax + 2) break
  }
  return text
}

async function typed(input: NodeJS.ReadStream, output: NodeJS.WriteStream): Promise<string> {
  output.write('Token: ')
  // readline echoes what is typed to its output.
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
  const lines = createInterface({ input, output: nowhere, terminal: true })
  try {
    return await new Promise<string>((resolve, reject) => {
      lines.once('line', resolve)
      lines.once('SIGINT', () => reject(new Failure('cancelled', 'interrupted')))
      lines.once('close', () => resolve(''))
    })
  } finally {
    lines.close()
    output.write('\n')
  }
}

/**
 * Does the server take this token?
 * @throws Failure 'denied' when it does not, 'unavailable' when it does not answer
 */
export async function assertTaken(target: CallTarget, token: string, signal: AbortSignal): Promise<void> {
  const channel = await openCalled(target, openChannel, () => `Bearer ${token}`)
  try {
    await negotiate(channel, { timeoutMs: askMsMax, signal }).catch(async (error: unknown) => {
      if (!(error instanceof RpcError) || error.code !== Code.UNIMPLEMENTED) throw error
      // A console has builds in place of capabilities.
      await openBuildHistory(channel).builds({ limit: 1 })
    })
  } catch (error) {
    throw toFailure(error, target.url)
  } finally {
    channel.close()
  }
}
