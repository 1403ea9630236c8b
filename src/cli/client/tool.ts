import type { Addresses } from '../../cluster/addresses.ts'
import { Failure } from '../../core/failure.ts'

/** What a tool's settings are made from. */
export interface ClientFacts {
  readonly cluster: string
  readonly addresses: Addresses
  /** The command line that starts this program, with absolute paths. */
  readonly program: readonly string[]
  /** What the servers require; absent if they require nothing that this user has. */
  readonly credentials?: Credentials | undefined
  /** The path of a credential helper as Bazel specifies it, which is written when this is called. */
  helper(): Promise<string>
}

export interface Credentials {
  readonly token: string
  /** The path of a file with nothing but the token, which is written when this is called. */
  file(): Promise<string>
}

/** One setting in a configuration file. */
export interface Setting {
  /** What the lines do: one sentence in the tool's terms, on one line. */
  readonly why: string
  readonly lines: readonly string[]
}

/** A variable that the tool reads from its environment. */
export interface Variable {
  readonly why: string
  readonly name: string
  readonly value: string
}

interface ToolFacts {
  /** As people write it after `native client`. */
  readonly name: string
  /** Where the tool, or a shell before it, reads what is printed: the usual place, for people. */
  readonly place: string
  /** How to see that the cluster's cache is used, in the tool's own terms: one line. */
  readonly witness: string
  /** Its settings depend on what the scheduler answers. */
  readonly asksScheduler?: true
  /**
   * Its TLS support: none; only the system's trusted authorities; a configurable authority; that and a client
   * certificate.
   */
  readonly tls: 'none' | 'system' | 'authority' | 'certificate'
  /** It trusts what OpenSSL's variable SSL_CERT_FILE names, in place of the system's authorities. */
  readonly readsSslCertFile?: true
  /** Do its settings send the token that a cluster may require? Some tools do only over TLS. */
  readonly sendsToken?: boolean | 'over TLS'
  /** Remarks on the settings: whole sentences, one per line. */
  readonly notes?: readonly string[]
}

/** A tool configured by a file. */
export interface FileTool extends ToolFacts {
  readonly format: 'file'
  readonly comment: '#' | '//'
  settings(facts: ClientFacts): readonly Setting[] | Promise<readonly Setting[]>
  /**
   * Why a file cannot take the block: the rest of its text already has something that the format allows only once.
   * Undefined if it can.
   */
  readonly clash?: (others: string) => Clash | undefined
  /** Names of files in another language than the block, with that language. */
  readonly foreign?: Readonly<Record<string, string>>
}

/** A tool configured by its environment. */
export interface EnvironmentTool extends ToolFacts {
  readonly format: 'environment'
  variables(facts: ClientFacts): readonly Variable[] | Promise<readonly Variable[]>
}

/** How one tool is configured for the cluster. */
export type ClientTool = FileTool | EnvironmentTool

/** Why a file cannot take the block, and what to do about it. */
export interface Clash {
  readonly message: string
  readonly next: string
}

/** The cache's HTTP URL, without a trailing slash. */
export function httpUrl({ addresses }: Pick<ClientFacts, 'addresses'>): string {
  return addresses.cache.url.replace(/^grpc/, 'http')
}

/** Does the cluster use TLS? */
export function isSecure({ scheduler }: Addresses): boolean {
  return scheduler.url.startsWith('grpcs://')
}

/**
 * Refuses a tool that cannot be configured for this cluster's TLS.
 * @throws Failure 'unimplemented'
 */
export function assertSpeaks(
  { name, tls, readsSslCertFile }: Pick<ToolFacts, 'name' | 'tls' | 'readsSslCertFile'>,
  { cache, scheduler }: Addresses,
): void {
  if (!isSecure({ scheduler, cache: scheduler })) return
  const { ca, cert } = scheduler.tls ?? {}
  const lacks = (what: string, ...next: string[]) =>
    new Failure('unimplemented', `${name} ${what}`, { where: scheduler.url, next })
  if (tls === 'none')
    throw lacks('speaks no TLS', 'Use a cluster without TLS on the loopback for it: `native deploy --name plain`.')
  if (cert !== undefined && tls !== 'certificate')
    throw lacks(
      'has no setting for a client certificate that native knows of',
      'See its own documentation for a client certificate.',
    )
  if (ca !== undefined && tls === 'system')
    throw lacks(
      'trusts what the system trusts, and native cannot add an authority',
      `Add ${ca} to the authorities of the system, or deploy with a certificate of one that it has (--tls-cert).`,
      ...(readsSslCertFile
        ? [
            `Or start ${name} with SSL_CERT_FILE=${ca}, in place of what the system trusts: \`native client ${name} --address ${cache.url}\` prints the other settings.`,
          ]
        : []),
    )
}

/** `host:port`, for tools without a default port. */
export function withPort(address: string): string {
  return /:\d+$/.test(address) ? address : `${address}:80`
}

/** The instance name for clients: every name means the one instance. */
export const instanceName = 'main'
