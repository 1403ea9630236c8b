import { BlockList, isIP } from 'node:net'
import { isLoopback } from '../../core/address.ts'
import { Failure } from '../../core/failure.ts'

/** A process's environment variables. */
type Environment = Readonly<Record<string, string | undefined>>

const variables = { 'http:': ['HTTP_PROXY', 'http_proxy'], 'https:': ['HTTPS_PROXY', 'https_proxy'] } as const
const exceptions = ['NO_PROXY', 'no_proxy'] as const
const entriesMax = 1024

/**
 * The proxy for a URL, or undefined for a direct connection: as Go programs read these variables
 * (golang.org/x/net/http/httpproxy), so that one setting works for docker, skopeo and us.
 * @throws Failure 'invalid' for a proxy that is not a URL, 'unimplemented' for SOCKS; its login is not shown
 */
export function proxyFor(url: URL, env: Environment): URL | undefined {
  const names = url.protocol === 'https:' ? variables['https:'] : variables['http:']
  const name = names.find((each) => env[each])
  const text = name === undefined ? undefined : env[name]
  if (name === undefined || !text || isDirect(url, env)) return undefined
  const address = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`
  if (!URL.canParse(address)) throw new Failure('invalid', 'the address of the proxy is malformed', { where: name })
  const proxy = new URL(address)
  if (proxy.protocol === 'http:' || proxy.protocol === 'https:') return proxy
  throw new Failure('unimplemented', `proxies of the kind ${proxy.protocol}// are not supported`, {
    where: name,
    next: [`Use an HTTP proxy, such as ${name}=http://HOST:PORT, or exclude the host: NO_PROXY=${url.hostname}.`],
  })
}

/** These variables for a program with its own rules for NO_PROXY that accesses this URL: it gets our decision. */
export function proxyVariables(url: URL, env: Environment): Record<string, string> {
  const isProxied = proxyFor(url, env) !== undefined
  return Object.fromEntries(exceptions.map((each) => [each, isProxied ? '' : '*']))
}

/** Is this URL reached without a proxy? */
export function isDirect(url: URL, env: Environment): boolean {
  const host = url.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '')
  if (isLoopback(host)) return true
  const port = url.port || (url.protocol === 'https:' ? '443' : '80')
  const entries = exceptions.map((each) => env[each]).find((each) => each) ?? ''
  return entries
    .toLowerCase()
    .split(/[\s,]+/)
    .slice(0, entriesMax)
    .some((each) => excepts(each, host, port))
}

function excepts(entry: string, host: string, port: string): boolean {
  if (entry === '') return false
  if (entry === '*') return true
  if (entry.includes('/')) return isInNetwork(entry, host)
  const [, name = entry, only] = /^(\[[^\]]*\]|[^:]*)(?::(\d+))?$/.exec(entry) ?? []
  if (only !== undefined && only !== port) return false
  const bare = name.replace(/^\[|\]$/g, '')
  if (isIP(bare) !== 0 || isIP(host) !== 0) return sameAddress(bare, host)
  const domain = bare.replace(/^\*?\./, '')
  return domain !== '' && (host.endsWith(`.${domain}`) || (domain === bare && host === domain))
}

/** CIDR (RFC 4632); a host name is in no network, whatever it resolves to. */
function isInNetwork(cidr: string, host: string): boolean {
  const [network = '', bits = ''] = cidr.split('/')
  const family = isIP(network)
  if (family === 0 || !/^\d{1,3}$/.test(bits) || Number(bits) > (family === 4 ? 32 : 128)) return false
  const list = new BlockList()
  list.addSubnet(network, Number(bits), family === 4 ? 'ipv4' : 'ipv6')
  const own = isIP(host)
  return own !== 0 && list.check(host, own === 4 ? 'ipv4' : 'ipv6')
}

/** By value: an IPv6 address can be written in many ways. */
function sameAddress(a: string, b: string): boolean {
  const family = isIP(a)
  return family !== 0 && family === isIP(b) && isInNetwork(`${a}/${family === 4 ? 32 : 128}`, b)
}
