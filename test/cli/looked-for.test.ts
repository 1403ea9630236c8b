import { expect, test } from 'vitest'
import { lookedFor } from '../../src/cli/looked-for.ts'

const trace = String.raw`12 execve("/usr/bin/cat", ["cat", "/home/me/x"], 0x7ffe /* 2 vars */) = 0
12 access("/etc/ld.so.preload", R_OK) = -1 ENOENT (No such file or directory)
12 openat(AT_FDCWD, "/home/me/x", O_RDONLY) = -1 ENOENT (No such file or directory)
12 openat(AT_FDCWD, "/home/me/x", O_RDONLY) = -1 ENOENT (No such file or directory)
13 newfstatat(4, "/opt/a \"b\"\303\251", 0x7ffe, 0) = -1 EACCES (Permission denied)
13 newfstatat(AT_FDCWD, "relative", 0x7ffe, 0) = -1 ENOENT (No such file or directory)
13 openat(AT_FDCWD, "/build/root/x", O_RDONLY) = -1 ENOENT (No such file or directory)
13 openat(AT_FDCWD, "/home/me/found", O_RDONLY) = 3
13 mkdir("/home/me/there", 0777) = -1 EEXIST (File exists)
`

test('what a trace did not find, once each, as far as it is there all the same', () => {
  expect(lookedFor(trace, (path) => path !== '/etc/ld.so.preload')).toEqual(['/home/me/x', '/opt/a "b"é'])
  expect(lookedFor('', () => true)).toEqual([])
})
