import { describe, expect, test } from 'vitest'
import { findingsIn, findingsText, gathered } from '../../src/explain/hermetic.ts'
import { readTrace } from '../../src/explain/trace.ts'

const trace = `7 execve("/usr/bin/cc", ["cc", "-c", "a.c"], 0x7ffe /* 3 vars */) = 0
7 access("/etc/ld.so.preload", R_OK) = -1 ENOENT (No such file or directory)
7 openat(AT_FDCWD, "/usr/include/stdio.h", O_RDONLY|O_NOCTTY) = 3
7 openat(AT_FDCWD, "/usr/lib/../include/x.h", O_RDONLY) = 3
7 openat(AT_FDCWD, "/usr/lib", O_RDONLY|O_NONBLOCK|O_CLOEXEC|O_DIRECTORY) = 3
7 openat(AT_FDCWD, "/build/root/a.c", O_RDONLY) = 3
7 openat(AT_FDCWD, "a.o", O_WRONLY|O_CREAT, 0666) = 4
7 openat(AT_FDCWD, "/tmp/cc1.s", O_RDONLY) = 5
8 openat(AT_FDCWD, "/usr/lib/libc.so.6", O_RDONLY <unfinished ...>
7 stat("/home/me/\\"odd\\" \\303\\251", 0x7ffc) = -1 ENOENT (No such file or directory)
8 <... openat resumed>) = 3
8 execve("/usr/bin/as", ["as"], 0x55 /* 3 vars */ <unfinished ...>
7 connect(3, {sa_family=AF_UNIX, sun_path="/var/run/nscd/socket"}, 110) = -1 ENOENT (No such file or directory)
8 <... execve resumed>) = 0
8 connect(3, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("10.1.2.3")}, 16) = -1 ENETUNREACH (Network is unreachable)
8 connect(3, {sa_family=AF_INET, sin_port=htons(4000), sin_addr=inet_addr("127.0.0.1")}, 16) = 0
8 sendto(3, "x"..., 28, 0, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("127.0.0.1")}, 16) = 28
8 connect(3, {sa_family=AF_INET6, sin6_port=htons(443), sin6_flowinfo=htonl(0), inet_pton(AF_INET6, "2001:db8::1", &sin6_addr), sin6_scope_id=0}, 28) = -1 ENETUNREACH (x)
8 +++ exited with 0 +++
`

describe('a trace', () => {
  test('tells programs, files, what was not found and addresses, but nothing of the action itself', () => {
    expect(readTrace(trace, '/build/root')).toEqual({
      programs: ['/usr/bin/cc', '/usr/bin/as'],
      files: ['/usr/include/stdio.h', '/usr/include/x.h', '/usr/lib/libc.so.6'],
      absent: ['/etc/ld.so.preload', '/home/me/"odd" é'],
      addresses: ['10.1.2.3:80', '127.0.0.1:53', '[2001:db8::1]:443'],
    })
  })

  test.each(['', 'nonsense', '7 <... openat resumed>, O_RDONLY) = 3', '\u0000'])('of %j tells nothing', (text) => {
    expect(readTrace(text, '/x')).toEqual({ programs: [], files: [], absent: [], addresses: [] })
  })
})

test('findings are what is on the machine, by kind, those of most actions first', () => {
  const traced = readTrace(trace, '/build/root')
  const here = (path: string) => path !== '/etc/ld.so.preload'
  const findings = findingsIn(traced, { PATH: '/usr/bin:/home/me/bin', TEXT: 'a//b' }, here)
  expect(findings).toEqual([
    { kind: 'missing', what: '/home/me/"odd" é' },
    { kind: 'network', what: '10.1.2.3:80' },
    { kind: 'network', what: '127.0.0.1:53' },
    { kind: 'network', what: '[2001:db8::1]:443' },
    { kind: 'variable', what: 'PATH names /home/me/bin' },
    { kind: 'tool', what: '/usr/bin/cc' },
    { kind: 'tool', what: '/usr/bin/as' },
    { kind: 'header', what: '/usr/include/stdio.h' },
    { kind: 'header', what: '/usr/include/x.h' },
    { kind: 'library', what: '/usr/lib/libc.so.6' },
  ])
  const by = (action: string) => ({ action, target: '//app:lib', mnemonic: 'CppCompile' })
  const all = gathered([
    { by: by('1'), findings: [{ kind: 'tool', what: '/usr/bin/as' }] },
    { by: by('2'), findings },
  ])
  const tools = all.filter(({ kind }) => kind === 'tool')
  expect(tools.map(({ what, actions }) => [what, actions])).toEqual([
    ['/usr/bin/as', 2],
    ['/usr/bin/cc', 1],
  ])
  expect(findingsText(all)).toContain('Programs of the machine:\n  /usr/bin/as (2 actions, CppCompile of //app:lib)\n')
})
