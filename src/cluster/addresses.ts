import type { ClientTlsFiles } from '../wire/tls/client-tls.ts'

/** Where a server is reached. */
export interface Endpoint {
  /** `host:port`, or only the host when the port is 80. */
  readonly address: string
  /** `grpc://address`, or `grpcs://address` with TLS, to paste. */
  readonly url: string
  /**
   * The PEM files with which this user's programs call it; absent without TLS, or where the system's authorities
   * suffice.
   */
  readonly tls?: ClientTlsFiles
}

/** Where clients reach a cluster. */
export interface Addresses {
  readonly cache: Endpoint
  readonly scheduler: Endpoint
  /** The console; absent where there is none, or none of these addresses leads to it. */
  readonly console?: ConsoleEndpoint
  /**
   * Brings a console to this machine that no address leads to; absent where one does, or there is none.
   * @param failed called for each connection that could not be made
   */
  readonly openConsole?: (failed: (error: unknown) => void) => Promise<Page>
}

export interface ConsoleEndpoint extends Endpoint {
  /** Is its page at this address, too? If not, `openPage` forwards it to this machine. */
  readonly hasPage: boolean
}

/** An open page. */
export interface Page {
  /** `http://host:port` */
  readonly url: string
  /** Closes it; absent where the page is there independently of who opened it. */
  readonly close?: () => Promise<void>
}
