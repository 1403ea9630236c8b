import type { ClientTls } from './tls/client-tls.ts'

/** What a channel over the network may be told; all of it may be absent. */
export interface ChannelOptions {
  /** The largest message that is taken; the usual 4 MiB when absent. */
  readonly receiveBytesMax?: number
  /** Bytes that a server may send ahead on each call; 4 MiB when absent: with less, large reads wait. */
  readonly windowBytes?: number
  /** How often a silent connection is asked whether it still stands; a minute when absent. */
  readonly keepaliveMs?: number
  /** Whom it trusts and what it shows where the address is grpcs://; the system's authorities, and nothing, when absent. */
  readonly tls?: ClientTls | undefined
}
