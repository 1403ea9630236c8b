import { authorizedChannel } from '../identity.ts'
import type { Channel } from '../rpc.ts'
import { type ClientTls, type ClientTlsFiles, openClientTls } from './client-tls.ts'

/** Where a server is called, and the TLS files for that. */
export interface CallTarget {
  /** `grpc://host:port`, `grpcs://host:port` */
  readonly url: string
  readonly tls?: ClientTlsFiles | undefined
}

/**
 * A channel whose calls carry credentials. Its TLS files are watched while it is open.
 * @param open how a channel is opened: `openChannel` or `openDirectChannel`
 * @throws Failure like openClientTls, and what `open` throws
 */
export async function openCalled(
  { url, tls: files }: CallTarget,
  open: (url: string, options: { readonly tls?: ClientTls }) => Channel,
  authorization: () => string | undefined,
): Promise<Channel> {
  if (files === undefined) return authorizedChannel(open(url, {}), authorization)
  const tls = await openClientTls(files)
  try {
    const channel = authorizedChannel(open(url, { tls }), authorization)
    return {
      ...channel,
      close() {
        channel.close()
        tls.close()
      },
    }
  } catch (error) {
    tls.close()
    throw error
  }
}
