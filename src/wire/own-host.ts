/** This machine's own name, or an address: no name that somebody else's name server resolves. */
const ownHost = /^(?:localhost|[^:]*\.localhost|\d+\.\d+\.\d+\.\d+|\[[0-9a-f:.]+\])(?::\d+)?$/i

/**
 * Can this host name belong to a page of this machine? With DNS rebinding, a page arrives under its own name.
 * @param host the request's header; an HTTP/1.0 client sends none
 */
export function isOwnHost(host: string): boolean {
  return host === '' || ownHost.test(host)
}
