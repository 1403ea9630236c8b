import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { openBuildHistory } from '../client/build-history.ts'
import { negotiate } from '../client/capabilities.ts'
import { hostPortText, parseGrpcUrl } from '../core/address.ts'
import { Failure } from '../core/failure.ts'
import { openDirectChannel } from '../wire/direct.ts'
import { type Channel, Code, RpcError } from '../wire/rpc.ts'
import { type CallTarget, openCalled } from '../wire/tls/called.ts'
import type { ClientTlsFiles } from '../wire/tls/client-tls.ts'
import { unanswered } from './reach.ts'

const tokenLengthMax = 8192
const askMsMax = 10_000

/**
 * The `grpc://host:port`, or `grpcs://host:port` for a server with TLS, for an address as the user wrote it.
 * @throws Failure 'invalid'
 */
export function serverUrl(text: string): string {
  const [, scheme = 'grpc', rest = text] = /^(grpcs?|https?):\/\/(.*)$/.exec(text) ?? []
  const isSecure = scheme === 'grpcs' || scheme === 'https'
  const place = parseGrpcUrl(`${isSecure ? 'grpcs' : 'grpc'}://${rest}`)
  if (!('host' in place)) throw new Failure('invalid', 'a socket asks for no token', { where: text })
  return `${isSecure ? 'grpcs' : 'grpc'}://${hostPortText(place)}`
}

/**
 * The server to log in to.
 * @throws Failure 'invalid' for an address without TLS beside files for it: the token would go there unencrypted
 */
export function loginTarget(text: string, tls: ClientTlsFiles | undefined): CallTarget {
  const url = serverUrl(text)
  if (tls === undefined) return { url }
  if (url.startsWith('grpcs:')) return { url, tls }
  throw new Failure('invalid', 'certificates cannot be used with an address that does not use TLS', {
    where: text,
    next: [`Write ${url.replace('grpc:', 'grpcs:')}, or leave --tls-ca, --tls-cert and --tls-key out.`],
  })
}

/** Shown about such an address before the token is asked for. */
export const readableNote =
  'without TLS, anyone on the network path can read the token: write grpcs:// if the server speaks TLS'

/**
 * A token from standard input: typed without echo, or piped in.
 * @param command that reads it, as a person would write it
 * @throws Failure 'invalid' for what is not a token
 */
export async function readToken(
  input: NodeJS.ReadStream,
  output: NodeJS.WriteStream,
  command: string,
): Promise<string> {
  const text = (input.isTTY ? await typed(input, output) : await piped(input)).trim()
  if (/^[\x21-\x7e]{1,8192}$/.test(text)) return text
  throw new Failure('invalid', 'the input is not a token: it is empty, or contains spaces or line breaks', {
    next: [`Paste it, or pipe it in: ${command} < token.txt`],
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
  // readline echoes input to its output.
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

/** Shown for a token that is limited to instances, if the server is a console. */
export const limitedNote =
  'this token is limited to instances, and the console shows the builds of all of them: it can be told of builds with the token (Bazel: --bes_backend), but shows none. A token without --instance sees them'

/**
 * Does the server accept this token?
 * @returns for what: a console accepts build events from some to whom it shows no builds
 * @throws Failure 'denied' if it does not, 'unavailable' if it does not answer
 */
export async function assertTaken(
  target: CallTarget,
  token: string,
  signal: AbortSignal,
): Promise<'everything' | 'events of builds'> {
  const channel = await openCalled(target, openDirectChannel, () => `Bearer ${token}`)
  try {
    await negotiate(channel, { timeoutMs: askMsMax, signal })
    return 'everything'
  } catch (error) {
    if (!(error instanceof RpcError) || error.code !== Code.UNIMPLEMENTED) throw notTaken(error, target.url)
    return await takenByConsole(channel, target.url)
  } finally {
    channel.close()
  }
}

function notTaken(error: unknown, url: string): Failure {
  return unanswered(error, { url, who: 'server', where: url })
}

/** A console offers builds rather than capabilities. */
async function takenByConsole(channel: Channel, url: string): Promise<'everything' | 'events of builds'> {
  try {
    await openBuildHistory(channel).builds({ limit: 1 })
    return 'everything'
  } catch (error) {
    if (!(error instanceof RpcError) || error.code !== Code.PERMISSION_DENIED) throw notTaken(error, url)
    if (await takesEvents(channel)) return 'events of builds'
    throw notTaken(error, url)
  }
}

/** An empty event is rejected as malformed only if the sender may send events at all. */
async function takesEvents(channel: Channel): Promise<boolean> {
  const method = 'google.devtools.build.v1.PublishBuildEvent/PublishLifecycleEvent'
  try {
    await channel.unary(method, new Uint8Array(0), { timeoutMs: askMsMax })
    return true
  } catch (error) {
    return error instanceof RpcError && error.code === Code.INVALID_ARGUMENT
  }
}
