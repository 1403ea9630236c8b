/** The machine itself, or an address: no name that somebody else's name server answers. */
const ownHost = /^(?:localhost|[^:]*\.localhost|\d+\.\d+\.\d+\.\d+|\[[0-9a-f:.]+\])(?::\d+)?$/i

/**
 * May a page of this machine have come under this name? One whose own name leads here (DNS rebinding) comes under that.
 * @param host the header of the request; a client of HTTP/1.0 sends none
 */
export function isOwnHost(host: string): boolean {
  return host === '' || ownHost.test(host)
}
