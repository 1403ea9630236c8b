import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { profileText } from '../../../src/worker/sandbox/profile.ts'
import { testFolder } from '../../fixture/folder.ts'

type Expression = string | { readonly string: string } | readonly Expression[]

/** The expressions of a text in Scheme, as far as profiles use it. @throws an error for one that does not end */
function read(text: string): Expression[] {
  const tokens = text.match(/[()]|"(?:\\.|[^"\\])*"|[^\s()"]+|"/gs) ?? []
  const open: Expression[][] = [[]]
  for (const token of tokens) {
    const top = open.at(-1) as Expression[]
    if (token === '(') {
      const inner: Expression[] = []
      top.push(inner)
      open.push(inner)
    } else if (token === ')') {
      open.pop()
      if (open.length === 0) throw new Error('a parenthesis is closed that was not opened')
    } else if (token === '"') throw new Error('a string does not end')
    else top.push(token.startsWith('"') ? { string: unquoted(token) } : token)
  }
  if (open.length !== 1) throw new Error('a parenthesis is not closed')
  return open[0] as Expression[]
}

function unquoted(token: string): string {
  const named: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t' }
  return token.slice(1, -1).replace(/\\(.)/gs, (_, each: string) => named[each] ?? each)
}

/** All that `(OPERATION FILTER "TEXT")` says of one operation, in order: the decision, the filter and its text. */
function rulesOf(text: string, operation: string): [unknown, unknown, unknown][] {
  return read(text).flatMap((rule) => {
    if (!Array.isArray(rule) || !rule.includes(operation)) return []
    const filters = rule.filter((each) => Array.isArray(each))
    return filters.map(([filter, value]): [unknown, unknown, unknown] => [
      rule[0],
      filter,
      typeof value === 'object' && 'string' in value ? value.string : value,
    ])
  })
}

test('a profile for macOS allows what is listed and nothing else', async () => {
  const place = await testFolder()
  const [root, temporary, sdk] = ['root', 'tmp', 'sdk'].map((name) => join(place, name)) as [string, string, string]
  for (const folder of [root, temporary, sdk]) mkdirSync(folder)
  const text = profileText({ writable: [root, temporary], readable: [sdk], network: false })
  const above = place.split('/').map((_, at, parts) => parts.slice(0, at + 1).join('/') || '/')
  const known = new Set(['/', '/etc', '/private', '/private/var', '/tmp', '/usr', '/var'])
  const ancestors = [...new Set(above)].filter((path) => !known.has(path))
  const plain = ancestors.reduce((sum, path) => sum.replace(`\n  (literal "${path}")`, ''), text)
  expect(plain.replaceAll(place, '/Users/me/work')).toMatchInlineSnapshot(`
    "(version 1)
    (deny default)
    (import "system.sb")
    (allow process-fork sysctl-read ipc-posix-sem ipc-posix-shm* system-socket)
    (allow signal process-info*
      (target same-sandbox))
    (allow file-read-metadata
      (literal "/etc")
      (literal "/tmp")
      (literal "/var")
      (literal "/")
      (literal "/System")
      (literal "/Library")
      (literal "/private")
      (literal "/private/etc")
      (literal "/private/etc/ssl")
      (literal "/private/var")
      (literal "/private/var/db")
      (literal "/Library/Preferences")
      (literal "/dev"))
    (allow file-read* file-map-executable process-exec*
      (subpath "/bin")
      (subpath "/sbin")
      (subpath "/usr")
      (subpath "/System/Library")
      (subpath "/Library/Developer")
      (subpath "/Users/me/work/sdk"))
    (allow file-read*
      (subpath "/private/etc/group")
      (subpath "/private/etc/hosts")
      (subpath "/private/etc/localtime")
      (subpath "/private/etc/networks")
      (subpath "/private/etc/passwd")
      (subpath "/private/etc/protocols")
      (subpath "/private/etc/services")
      (subpath "/private/etc/shells")
      (subpath "/private/etc/ssl/cert.pem")
      (subpath "/private/etc/ssl/openssl.cnf")
      (subpath "/private/var/select")
      (subpath "/private/var/db/timezone")
      (subpath "/private/var/db/xcode_select_link")
      (subpath "/Library/Preferences/com.apple.dt.Xcode.plist"))
    (deny file-read-data (subpath "/System/Volumes/Data"))
    (allow file-read*
      (literal "/dev/random")
      (literal "/dev/urandom"))
    (allow file-read* file-write-data file-ioctl
      (literal "/dev/null")
      (literal "/dev/zero")
      (literal "/dev/tty")
      (literal "/dev/dtracehelper")
      (literal "/dev/stdin")
      (literal "/dev/stdout")
      (literal "/dev/stderr"))
    (allow file-read* file-write-data
      (subpath "/dev/fd"))
    (allow file* process-exec*
      (subpath "/Users/me/work/root")
      (subpath "/Users/me/work/tmp"))
    (deny file-write-setugid)
    (allow network-bind network-inbound network-outbound
      (subpath "/Users/me/work/root")
      (subpath "/Users/me/work/tmp"))
    (allow network-bind network-inbound (local ip "localhost:*"))
    (allow network-outbound (remote ip "localhost:*"))
    "
  `)
})

test.for(['plain', 'with space', 'a"b', 'a\\b', 'a\\"b', 'a)(b', 'a;b', "a'b", 'a\nb\tc\rd', '#"x"', 'ä漢'])(
  'a folder called %j is named as it is',
  async (name) => {
    const root = join(await testFolder(), name)
    mkdirSync(root)
    const text = profileText({ writable: [root], readable: [], network: false })
    expect(rulesOf(text, 'file*')).toEqual([['allow', 'subpath', root]])
  },
)

test('paths are the real ones, and the symlinks on the way may be followed', async () => {
  const place = await testFolder()
  mkdirSync(join(place, 'private/deep/root'), { recursive: true })
  symlinkSync(join(place, 'private'), join(place, 'link'))
  symlinkSync('deep/root', join(place, 'private/inner'))
  const root = join(place, 'link/inner')
  const text = profileText({ writable: [root], readable: [], network: false })
  expect(rulesOf(text, 'file*')).toEqual([['allow', 'subpath', join(place, 'private/deep/root')]])
  const followed = rulesOf(text, 'file-read-metadata').map(([, , path]) => path)
  expect(followed).toEqual(expect.arrayContaining([join(place, 'link'), join(place, 'private/inner'), '/tmp']))
})

test('nothing but its own folders is writable, except for devices', async () => {
  const root = await testFolder()
  const text = profileText({ writable: [root], readable: ['/etc'], network: true })
  const writing = ['file*', 'file-write*', 'file-write-data', 'file-write-create', 'file-link']
  const paths = writing.flatMap((operation) => rulesOf(text, operation).map(([, , path]) => String(path)))
  expect(paths.filter((path) => !path.startsWith('/dev/'))).toEqual([root])
})

test('of the network there is the loopback, or all of it', async () => {
  const writable = [await testFolder()]
  const closed = read(profileText({ writable, readable: [], network: false }))
  expect(closed).toContainEqual(['allow', 'network-outbound', ['remote', 'ip', { string: 'localhost:*' }]])
  expect(closed).not.toContainEqual(['allow', 'network*'])
  const open = read(profileText({ writable, readable: [], network: true }))
  expect(open).toContainEqual(['allow', 'network*'])
})

test('what is not there is an error, and no profile', async () => {
  const gone = join(await testFolder(), 'gone')
  expect(() => profileText({ writable: [gone], readable: [], network: false })).toThrow(/ENOENT/)
})
