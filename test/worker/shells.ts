import { existsSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { onTestFinished } from 'vitest'

/** Each kind of shell that may be /bin/sh and is there. */
export const shells = [
  '/bin/sh',
  ...['bash', 'busybox sh'].filter((shell) => existsSync(`/bin/${shell.split(' ')[0]}`)),
]

/** The words that start one; bash behaves as a shell of POSIX only under that name. */
export function shellOf(name: string): readonly string[] {
  if (name !== 'bash') return name.split(' ')
  const link = join(mkdtempSync(join(tmpdir(), 'nt-shell-')), 'sh')
  symlinkSync('/bin/bash', link)
  onTestFinished(() => rmSync(dirname(link), { recursive: true }))
  return [link]
}
