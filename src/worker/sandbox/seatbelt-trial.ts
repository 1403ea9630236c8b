import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Failure, messageOf } from '../../core/failure.ts'
import { profileText } from './profile.ts'

const trialMsMax = 10_000
/** Exit codes of the trial, and what they mean. */
const faults: Readonly<Record<number, string>> = {
  3: 'a program in it cannot write to its own folders',
  4: 'a program in it can read a file that its profile does not allow',
  5: 'a program in it can write to a file that its profile does not allow',
}
const trial = `
{ echo made >file && read -r line <file && echo made >"$TMPDIR/file"; } || exit 3
(read -r line <"$1") && exit 4
(echo changed >"$1") && exit 5
exit 0`

/**
 * Runs a trial action, unless one has passed: it must be able to use its own folders, and nothing beside them.
 * @param program sandbox-exec
 * @param directory of the sandboxes
 * @throws Failure 'unavailable' with the reason; a system error
 */
export function assertConfines(program: string, directory: string): void {
  const passed = join(directory, 'seatbelt-passed')
  if (existsSync(passed)) return
  if (!existsSync(program)) throw new Failure('unavailable', `there is no ${program} on this machine`)
  const place = join(realpathSync(directory), 'trial')
  const [root, temporary, outside] = [join(place, 'root'), join(place, 'tmp'), join(place, 'outside')]
  const profile = join(place, 'profile.sb')
  try {
    for (const folder of [root, temporary, outside]) mkdirSync(folder, { recursive: true })
    const hidden = join(outside, 'file')
    writeFileSync(hidden, 'hidden\n')
    writeFileSync(profile, profileText({ writable: [root, temporary], readable: [], network: false }))
    const command = ['/usr/bin/env', '-i', '--', `TMPDIR=${temporary}`, '/bin/sh', '-c', trial, 'sh', hidden]
    execFileSync(program, ['-f', profile, ...command], { cwd: root, env: {}, stdio: 'pipe', timeout: trialMsMax })
    writeFileSync(passed, '')
  } catch (cause) {
    throw new Failure('unavailable', `${program} does not confine programs here: ${reasonOf(cause)}`, { cause })
  } finally {
    rmSync(place, { recursive: true, force: true })
  }
}

function reasonOf(error: unknown): string {
  const { status, stderr } = Object(error) as { status?: unknown; stderr?: unknown }
  const known = typeof status === 'number' ? faults[status] : undefined
  return [known, String(stderr ?? '').trim()].filter(Boolean).join(': ') || messageOf(error)
}
