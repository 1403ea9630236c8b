import type { ClientTls } from './tls/client-tls.ts'

/** Options of a channel over the network; all are optional. */
export interface ChannelOptions {
  /** The largest message to accept; 4 MiB if absent. */
  readonly receiveBytesMax?: number
  /** Bytes that a server may send ahead on each call; 4 MiB if absent: with less, large reads stall. */
  readonly windowBytes?: number
  /** How often a silent connection is pinged; every minute if absent. */
  readonly keepaliveMs?: number
  /** Whom it trusts and what it presents at grpcs:// addresses; by default the system's authorities, and nothing. */
  readonly tls?: ClientTls | undefined
}
