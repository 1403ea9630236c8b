import { lstatSync, realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** What an action on macOS may reach. Paths are absolute, and need not be real ones. */
export interface ProfileOptions {
  /** Folders that it may change. They exist. */
  readonly writable: readonly string[]
  /** Files and folders that it may read in addition to macOS's own. They exist. */
  readonly readable: readonly string[]
  /** Whether it may use the network beyond this machine. */
  readonly network: boolean
}

/** Programs, libraries, compilers. `system.sb` adds what the loader needs of /System. */
const programFolders = ['/bin', '/sbin', '/usr', '/System/Library', '/Library/Developer']
/** Settings that programs cannot do without, none of them a secret. /private/var/select names the shell behind /bin/sh. */
const settings = [
  '/private/etc/group',
  '/private/etc/hosts',
  '/private/etc/localtime',
  '/private/etc/networks',
  '/private/etc/passwd',
  '/private/etc/protocols',
  '/private/etc/services',
  '/private/etc/shells',
  '/private/etc/ssl/cert.pem',
  '/private/etc/ssl/openssl.cnf',
  '/private/var/select',
  '/private/var/db/timezone',
  '/private/var/db/xcode_select_link',
  '/Library/Preferences/com.apple.dt.Xcode.plist',
]
/** For finding others on the network. */
const networkSettings = ['/private/etc/resolv.conf', '/private/var/run/resolv.conf']
/** Symlinks to folders of /private. */
const systemLinks = ['/etc', '/tmp', '/var']
const readDevices = ['/dev/random', '/dev/urandom']
const writeDevices = ['/dev/null', '/dev/zero', '/dev/tty', '/dev/dtracehelper']
const ownStreams = ['/dev/stdin', '/dev/stdout', '/dev/stderr']
/** What it takes to run a program from a place, and to load libraries from there. */
const running = ['file-read*', 'file-map-executable', 'process-exec*']

/**
 * A profile for sandbox-exec(1), in the language of Apple's profiles (SBPL): nothing is allowed but what is listed; the
 * last rule that matches counts. The kernel compares real paths, so they are resolved here, and each symlink on the way
 * may be followed. Apple's `system.sb` has what the loader and the C library need of each version of macOS.
 * @throws a system error
 */
export function profileText({ writable, readable, network }: ProfileOptions): string {
  const own = writable.map((path) => realpathSync(path))
  const shown = readable.map((path) => realpathSync(path))
  const passed = [...writable, ...readable].flatMap(symlinksIn)
  const above = [...own, ...shown, ...passed, ...programFolders, ...settings, ...readDevices].flatMap(ancestorsOf)
  return `${[
    '(version 1)',
    '(deny default)',
    '(import "system.sb")',
    allow(['process-fork', 'sysctl-read', 'ipc-posix-sem', 'ipc-posix-shm*', 'system-socket']),
    allow(['signal', 'process-info*'], ['(target same-sandbox)']),
    allow(['file-read-metadata'], literals([...systemLinks, ...passed, ...above])),
    allow(running, subpaths([...programFolders, ...shown])),
    allow(['file-read*'], subpaths([...settings, ...(network ? networkSettings : [])])),
    // Another name of /Users and of everything else that is not macOS's own.
    `(deny file-read-data ${subpaths(['/System/Volumes/Data']).join(' ')})`,
    allow(['file-read*'], literals(readDevices)),
    allow(['file-read*', 'file-write-data', 'file-ioctl'], literals([...writeDevices, ...ownStreams])),
    allow(['file-read*', 'file-write-data'], subpaths(['/dev/fd'])),
    allow(['file*', 'process-exec*'], subpaths(own)),
    '(deny file-write-setugid)',
    // Sockets in its own folders.
    allow(['network-bind', 'network-inbound', 'network-outbound'], subpaths(own)),
    ...(network ? ['(allow network*)', '(system-network)'] : loopback),
  ].join('\n')}\n`
}

const loopback = [
  '(allow network-bind network-inbound (local ip "localhost:*"))',
  '(allow network-outbound (remote ip "localhost:*"))',
]

function allow(operations: readonly string[], filters: readonly string[] = []): string {
  return `(allow ${operations.join(' ')}${[...new Set(filters)].map((each) => `\n  ${each}`).join('')})`
}

function subpaths(paths: readonly string[]): string[] {
  return paths.map((path) => `(subpath ${quoted(path)})`)
}

function literals(paths: readonly string[]): string[] {
  return paths.map((path) => `(literal ${quoted(path)})`)
}

/** A string of Scheme. */
function quoted(text: string): string {
  const escapes: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }
  return `"${text.replace(/["\\]/g, '\\$&').replace(/[\n\r\t]/g, (each) => escapes[each] ?? each)}"`
}

/** The folders that a path is in, `/` first. */
function ancestorsOf(path: string): string[] {
  const parent = dirname(path)
  return parent === path ? [] : [...ancestorsOf(parent), parent]
}

/** The symlinks that are followed on the way to an existing path, each by its real place. */
function symlinksIn(path: string): string[] {
  const parts = path.split('/').filter((part) => part !== '')
  const found: string[] = []
  let at = '/'
  for (const part of parts) {
    const here = join(at, part)
    if (lstatSync(here).isSymbolicLink()) found.push(here)
    at = realpathSync(here)
  }
  return found
}
