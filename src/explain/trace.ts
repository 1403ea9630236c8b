import { posix } from 'node:path'

/** Arguments that make strace record what is needed: `strace -f -qq -s 4096 -e TRACED`. */
export const tracedCalls = 'trace=%file,connect,sendto'

/** What a traced command used of its machine, without duplicates. */
export interface Traced {
  /** Programs that were started, and files that were read; absolute, outside of the input root. */
  readonly programs: readonly string[]
  readonly files: readonly string[]
  /** Absolute paths that were looked up but did not exist. */
  readonly absent: readonly string[]
  /** `ADDRESS:PORT` that it tried to reach; of local addresses only a name service's. */
  readonly addresses: readonly string[]
}

/** Places private to an action wherever it runs: neither existing nor missing files there mean anything. */
const ownPlaces = /^\/(build|proc|dev)(\/|$)/
/** Existing files there are private; missing ones may exist on the machine. */
const temporaryPlaces = /^\/(var\/)?tmp(\/|$)/
const failure = /= -1 (ENOENT|EACCES|ENOTDIR) /
const firstPath = /^\w+\((?:AT_FDCWD, |\d+, )?"((?:[^"\\]|\\.)*)"/
const nameServicePort = '53'

/**
 * Parses strace's output.
 * @param root the action's folder as seen by the action
 */
export function readTrace(trace: string, root: string): Traced {
  const found = { programs: new Set<string>(), files: new Set<string>(), absent: new Set<string>() }
  const addresses = new Set<string>()
  for (const call of callsIn(trace)) {
    const address = addressOf(call)
    if (address !== undefined) addresses.add(address)
    const path = pathOf(call)
    if (path === undefined || isWithin(path, root) || ownPlaces.test(path)) continue
    if (failure.test(call)) found.absent.add(path)
    else if (temporaryPlaces.test(path)) continue
    else if (/^execve(at)?\(.* = 0$/.test(call)) found.programs.add(path)
    else if (/^open(at2?)?\(.* = \d+/.test(call) && isReading(call)) found.files.add(path)
  }
  const { programs, files, absent } = found
  return { programs: [...programs], files: [...files], absent: [...absent], addresses: [...addresses] }
}

/** One call per line, rejoining those that another process's call interrupted. */
function* callsIn(trace: string): Generator<string> {
  const begun = new Map<string, string>()
  for (const line of trace.split('\n')) {
    const [, pid = '', text = ''] = /^(\d+) +(.*)$/.exec(line) ?? []
    if (text.endsWith('<unfinished ...>')) begun.set(pid, text.slice(0, -'<unfinished ...>'.length).trimEnd())
    else {
      const [, rest] = /^<\.\.\. \w+ resumed>(.*)$/.exec(text) ?? []
      yield rest === undefined ? text : `${begun.get(pid) ?? ''}${rest}`
    }
  }
}

function pathOf(call: string): string | undefined {
  const quoted = firstPath.exec(call)?.[1]
  const path = quoted === undefined ? undefined : unescaped(quoted)
  return path?.startsWith('/') ? posix.normalize(path) : undefined
}

function isWithin(path: string, root: string): boolean {
  return path === root || path.startsWith(`${root}/`)
}

function isReading(call: string): boolean {
  return !/\bO_(DIRECTORY|WRONLY|CREAT|PATH)\b/.test(call)
}

function addressOf(call: string): string | undefined {
  if (!/^(connect|sendto)\(/.test(call)) return undefined
  const [, port] = /sin6?_port=htons\((\d+)\)/.exec(call) ?? []
  const [, four, six] = /inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)"/.exec(call) ?? []
  const host = four ?? six
  if (!port || host === undefined) return undefined
  const isOwn = host === '::1' || host.startsWith('127.')
  // An unconnected socket looks up a route, with port 0.
  if (port === '0' || (isOwn && port !== nameServicePort)) return undefined
  return six === undefined ? `${host}:${port}` : `[${host}]:${port}`
}

const named: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', v: '\v', f: '\f' }

/** strace writes unprintable characters in octal. */
function unescaped(text: string): string {
  const bytes = text.replace(/\\([0-7]{1,3}|.)/g, (_, each: string) =>
    /^[0-7]/.test(each) ? String.fromCharCode(Number.parseInt(each, 8)) : (named[each] ?? each),
  )
  return Buffer.from(bytes, 'latin1').toString()
}
