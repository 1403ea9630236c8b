import { resolve } from 'node:path'
import { Flags } from '@oclif/core'
import type { Addresses } from '../cluster/addresses.ts'
import { hostPortText, parseGrpcUrl, parseHostPort } from '../core/address.ts'
import { Failure, messageOf } from '../core/failure.ts'
import { systemMeaningIn } from '../host/system-errors.ts'
import { toFailure } from '../wire/status.ts'
import type { ClientTlsFiles } from '../wire/tls/client-tls.ts'
import { handshakeProblem, isForOtherName, isUntrusted } from '../wire/tls/handshake-errors.ts'

/** A server that is up answers within this, even from another continent. */
const answerMsMax = 10_000

/** Flags of a command that needs only an address of a cluster. @param server which server's, in words */
export function addressFlagsOf(server: string) {
  return {
    address: Flags.string({
      summary: `host:port of ${server}, on any machine, in place of a local cluster; grpcs://host:port with TLS`,
      exclusive: ['name', 'driver', 'port'],
    }),
    port: Flags.integer({
      summary: 'the same, for a port on this machine',
      min: 1,
      max: 65_535,
      exclusive: ['name', 'driver'],
    }),
    'tls-ca': Flags.file({
      summary:
        "the certificate authority (PEM) that signed the server's certificate, if this system does not trust it already",
      dependsOn: ['address'],
    }),
    'tls-cert': Flags.file({
      summary: 'the certificate (PEM) to show to the server',
      dependsOn: ['address', 'tls-key'],
    }),
    'tls-key': Flags.file({ summary: 'its private key (PEM)', dependsOn: ['address', 'tls-cert'] }),
  }
}

/** For commands that talk only to the scheduler, which forwards calls for the cache. */
export const addressFlags = addressFlagsOf('a scheduler')

/** The values of these flags. */
export interface AddressFlags {
  readonly address?: string | undefined
  readonly port?: number | undefined
  readonly 'tls-ca'?: string | undefined
  readonly 'tls-cert'?: string | undefined
  readonly 'tls-key'?: string | undefined
}

/**
 * The addresses from the flags, once a server there has answered; undefined if there are none.
 * @throws Failure 'invalid', 'unavailable'
 */
export async function addressesAnswering(flags: AddressFlags): Promise<Addresses | undefined> {
  const addresses = addressesGiven(flags)
  if (addresses === undefined) return undefined
  const { negotiate } = await import('../client/capabilities.ts')
  const { openReachedDirectly } = await import('./reached.ts')
  const { url } = addresses.scheduler
  const channel = await openReachedDirectly(addresses.scheduler)
  try {
    await negotiate(channel, { timeoutMs: answerMsMax })
  } catch (cause) {
    throw unanswered(cause, {
      url,
      who: 'scheduler',
      where: flags.port === undefined ? '--address' : '--port',
      next: [
        'Run `native ips` on the machine that runs the cluster: it prints the addresses of the servers if they answer there.',
      ],
    })
  } finally {
    channel.close()
  }
  return addresses
}

/**
 * Why a server could not be asked, with what would help; a refusal of this caller as it is.
 * @param called.where the flag or address to blame
 * @param called.next advice if nobody answers there
 */
export function unanswered(
  cause: unknown,
  called: { readonly url: string; readonly who: string; readonly where: string; readonly next?: readonly string[] },
): Failure {
  const { url, who, where, next = [] } = called
  const failure = toFailure(cause, url)
  if (failure.kind === 'denied') return failure
  const address = url.replace(/^grpcs?:\/\//, '')
  const problem = handshakeIn(cause)
  if (problem)
    return new Failure('unavailable', `no TLS with ${address}: ${problem.says}`, { where, next: problem.next, cause })
  const meaning = systemMeaningIn(cause)
  return new Failure('unavailable', `no ${who} answers at ${address}: ${meaning?.says ?? messageOf(cause)}`, {
    where,
    next: [...(meaning ? [meaning.next] : []), ...next],
    cause,
  })
}

const authority =
  'Name the file of its authority with --tls-ca; `native ips` prints it on the machine that runs the cluster.'
const otherName = 'Use one of those names, or have a certificate made for this one.'

/** The failed handshake behind an error, and what to do about it. */
function handshakeIn(error: unknown): { readonly says: string; readonly next: readonly string[] } | undefined {
  for (let each = error; each instanceof Error; each = each.cause) {
    const says = handshakeProblem(each)
    if (says === undefined) continue
    return { says, next: isUntrusted(each) ? [authority] : isForOtherName(each) ? [otherName] : [] }
  }
  return undefined
}

/**
 * The addresses from the flags, without contacting anybody; undefined if there are none. A scheduler forwards calls for
 * the cache, so one address serves as both.
 * @throws Failure 'invalid'
 */
export function addressesGiven(flags: AddressFlags): Addresses | undefined {
  const text = flags.address ?? (flags.port === undefined ? undefined : `127.0.0.1:${flags.port}`)
  if (text === undefined) return undefined
  const secure = text.startsWith('grpcs://')
  const socket = text.startsWith('unix:')
  const address = socket ? socketAddress(text) : plainAddress(text.replace(/^grpcs?:\/\//, ''))
  const tls = tlsFilesOf(flags)
  if (tls && !secure)
    throw new Failure('invalid', 'certificates cannot be used with an address that does not use TLS', {
      where: '--address',
      next: [
        socket
          ? 'Leave --tls-ca, --tls-cert and --tls-key out.'
          : `Write --address grpcs://${address}, or leave --tls-ca, --tls-cert and --tls-key out.`,
      ],
    })
  const url = socket ? address : `${secure ? 'grpcs' : 'grpc'}://${address}`
  const endpoint = { address, url, ...(tls && { tls }) }
  return { cache: endpoint, scheduler: endpoint }
}

/** @throws Failure 'invalid' */
function socketAddress(url: string): string {
  try {
    parseGrpcUrl(url)
    return url
  } catch (cause) {
    throw noAddress(`"${url}" is not an address: ${messageOf(cause)}`, cause)
  }
}

/** The files of --tls-ca, --tls-cert and --tls-key, as absolute paths: what they go into may be used from elsewhere. */
export function tlsFilesOf(flags: AddressFlags): ClientTlsFiles | undefined {
  const named = { ca: flags['tls-ca'], cert: flags['tls-cert'], key: flags['tls-key'] }
  const files = Object.entries(named).flatMap(([name, file]) => (file === undefined ? [] : [[name, resolve(file)]]))
  return files.length === 0 ? undefined : Object.fromEntries(files)
}

function plainAddress(text: string): string {
  try {
    const { host, port } = parseHostPort(text)
    if (port > 0) return hostPortText({ host, port })
  } catch (cause) {
    throw noAddress(`"${text}" is not an address: ${messageOf(cause)}`, cause)
  }
  throw noAddress(`"${text}" has no port`)
}

function noAddress(message: string, cause?: unknown): Failure {
  return new Failure('invalid', message, {
    where: '--address',
    next: [
      'Write it as host:port, such as build.example.com:50052; `native ips` prints it on the machine that runs the cluster.',
    ],
    cause,
  })
}
