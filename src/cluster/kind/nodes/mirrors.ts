import { Failure } from '../../../core/failure.ts'

/** Where nodes find what is at a registry's host. */
export interface Mirror {
  /** `host[:port]` as images name it, or `*` for every host. */
  readonly host: string
  readonly url: string
}

const host = /^(?:\*|[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::\d{1,5})?)$/
const loopback = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/

/**
 * Parses `HOST=URL`, as `docker.io=https://mirror.example.com`.
 * @throws Failure 'invalid'
 */
export function parseMirror(text: string): Mirror {
  const at = text.indexOf('=')
  const [from, to] = [text.slice(0, at), text.slice(at + 1)]
  if (at < 0 || !host.test(from)) throw bad(text, 'before the = stands a host, as images name it')
  const url = URL.canParse(to) ? new URL(to) : undefined
  if (!url || (url.protocol !== 'http:' && url.protocol !== 'https:'))
    throw bad(text, 'behind the = stands an http:// or https:// address')
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '')
    throw bad(text, 'the address has no login, query or fragment')
  if (loopback.test(url.hostname))
    throw bad(text, `for a node ${url.hostname} is the node itself; name this machine as containers reach it`)
  return { host: from, url: `${url.origin}${url.pathname.replace(/\/+$/, '')}` }
}

/** One list after the other: what the second says of a host counts, the first's other hosts stay. */
export function mergedMirrors(below: readonly string[], above: readonly string[]): readonly string[] {
  const said = new Set(above.map((each) => parseMirror(each).host))
  return [...below.filter((each) => !said.has(parseMirror(each).host)), ...above]
}

/**
 * What a node reads of a host, as containerd's hosts.toml; the host itself is asked when no mirror answers.
 * @param urls mirrors in the order in which they are asked
 */
export function hostsToml(urls: readonly string[]): string {
  return urls
    .map((url) => {
      const lines = [`[host."${url}"]`, '  capabilities = ["pull", "resolve"]']
      // A path with the API's version in it is whole; containerd would put /v2 behind it.
      return [...lines, ...(/\/v2(\/|$)/.test(url) ? ['  override_path = true'] : []), ''].join('\n')
    })
    .join('\n')
}

/** The folder of a host under /etc/containerd/certs.d. */
export function hostFolder(name: string): string {
  return name === '*' ? '_default' : name
}

function bad(text: string, why: string): Failure {
  return new Failure('invalid', `"${text.slice(0, 200)}" is not a mirror: ${why}`, {
    where: '--registry-mirror',
    next: ['Write it like docker.io=https://mirror.example.com.'],
  })
}
