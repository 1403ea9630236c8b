import type { Addresses } from '../../cluster/driver.ts'
import { Failure } from '../../core/failure.ts'

/** What the settings of a tool are made from. */
export interface ClientFacts {
  readonly cluster: string
  readonly addresses: Addresses
  /** The words that start this program, with absolute paths. */
  readonly program: readonly string[]
  /** What the servers want to be sent; absent where they want nothing that this user has. */
  readonly credentials?: Credentials | undefined
}

export interface Credentials {
  readonly token: string
  /** The path of a program that Bazel asks for them; written when asked for. */
  helper(): Promise<string>
}

/** One setting of a configuration file. */
export interface Setting {
  /** What the lines do: a sentence in the tool's words, one line. */
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
  /** As people write it behind `native client`. */
  readonly name: string
  /** Where the tool, or a shell before it, looks for what is printed: the usual place, for people. */
  readonly place: string
  /** How to see that the cluster's cache is used, in the tool's own words: one line. */
  readonly witness: string
  /** Its settings depend on what the scheduler answers. */
  readonly asksScheduler?: true
  /**
   * What it can be told of TLS: nothing, since it speaks none; nothing, and it trusts what the system trusts; an authority;
   * that and a certificate to show.
   */
  readonly tls: 'none' | 'system' | 'authority' | 'certificate'
  /** Do its settings send the token that a cluster may ask for? */
  readonly sendsToken?: boolean
  /** What has to be said beside the settings: whole sentences, one a line. */
  readonly notes?: readonly string[]
}

/** A tool that reads a file. */
export interface FileTool extends ToolFacts {
  readonly format: 'file'
  readonly comment: '#' | '//'
  settings(facts: ClientFacts): readonly Setting[] | Promise<readonly Setting[]>
  /**
   * What keeps a file from taking the block: the rest of its text has something that the format allows once only.
   * Undefined where it may stand.
   */
  readonly clash?: (others: string) => Clash | undefined
  /** Names of files that are not in the language of the block, with the language that they are in. */
  readonly foreign?: Readonly<Record<string, string>>
}

/** A tool that reads its environment. */
export interface EnvironmentTool extends ToolFacts {
  readonly format: 'environment'
  variables(facts: ClientFacts): readonly Variable[]
}

/** How one tool is told of the cluster. */
export type ClientTool = FileTool | EnvironmentTool

/** Why a file does not take the block, and what to do about it. */
export interface Clash {
  readonly message: string
  readonly next: string
}

/** The cache by HTTP, without a slash at its end. */
export function httpUrl({ addresses }: Pick<ClientFacts, 'addresses'>): string {
  return addresses.cache.url.replace(/^grpc/, 'http')
}

/** Does the cluster speak TLS? */
export function isSecure({ scheduler }: Addresses): boolean {
  return scheduler.url.startsWith('grpcs://')
}

/**
 * Refuses a tool that cannot be told what this cluster's TLS asks for.
 * @throws Failure 'unimplemented'
 */
export function assertSpeaks({ name, tls }: Pick<ToolFacts, 'name' | 'tls'>, { scheduler }: Addresses): void {
  if (!isSecure({ scheduler, cache: scheduler })) return
  const { ca, cert } = scheduler.tls ?? {}
  const lacks = (what: string, next: string) =>
    new Failure('unimplemented', `${name} ${what}`, { where: scheduler.url, next: [next] })
  if (tls === 'none')
    throw lacks('speaks no TLS', 'Use a cluster without TLS on the loopback for it: `native deploy --name plain`.')
  if (cert !== undefined && tls !== 'certificate')
    throw lacks(
      'cannot be told, by native at least, which certificate to show',
      'See its own documentation for a client certificate.',
    )
  if (ca !== undefined && tls === 'system')
    throw lacks(
      'trusts what the system trusts, and native cannot tell it of another authority',
      `Add ${ca} to the authorities of the system, or deploy with a certificate of one that it has (--tls-cert).`,
    )
}

/** `host:port`, for tools that add no port themselves. */
export function withPort(address: string): string {
  return /:\d+$/.test(address) ? address : `${address}:80`
}

/** The instance that clients name: every name means the one there is. */
export const instanceName = 'main'
