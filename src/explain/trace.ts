import { posix } from 'node:path'

/** What strace has to write down for this: `strace -f -qq -s 4096 -e TRACED`. */
export const tracedCalls = 'trace=%file,connect,sendto'

/** What a traced command had to do with its machine, each thing once. */
export interface Traced {
  /** Programs that were started, and files that were read; absolute, outside of the input root. */
  readonly programs: readonly string[]
  readonly files: readonly string[]
  /** Absolute paths that were looked for in vain. */
  readonly absent: readonly string[]
  /** `ADDRESS:PORT` that it tried to reach; of its own addresses only that of a name service. */
  readonly addresses: readonly string[]
}

/** What an action has of its own, wherever it runs: what is there is its own, and what is not there says nothing. */
const ownPlaces = /^\/(build|proc|dev)(\/|$)/
/** What is there is its own; what is not may be in the machine's. */
const temporaryPlaces = /^\/(var\/)?tmp(\/|$)/
const failure = /= -1 (ENOENT|EACCES|ENOTDIR) /
const firstPath = /^\w+\((?:AT_FDCWD, |\d+, )?"((?:[^"\\]|\\.)*)"/
const nameServicePort = '53'

/**
 * Reads what strace has written.
 * @param root the action's folder as it saw it
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

/** One call a line, those put together that another process's call came in between. */
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
  // A socket without a peer yet asks for the way there, with port 0.
  if (port === '0' || (isOwn && port !== nameServicePort)) return undefined
  return six === undefined ? `${host}:${port}` : `[${host}]:${port}`
}

const named: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', v: '\v', f: '\f' }

/** strace writes what is not printable in octal. */
function unescaped(text: string): string {
  const bytes = text.replace(/\\([0-7]{1,3}|.)/g, (_, each: string) =>
    /^[0-7]/.test(each) ? String.fromCharCode(Number.parseInt(each, 8)) : (named[each] ?? each),
  )
  return Buffer.from(bytes, 'latin1').toString()
}
