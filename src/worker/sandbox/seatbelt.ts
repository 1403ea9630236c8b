import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Enclosure } from '../enclosure.ts'
import { groupEnclosure } from '../group.ts'
import type { SandboxOptions } from './enclosure.ts'
import { profileText } from './profile.ts'
import { assertConfines } from './seatbelt-trial.ts'
import { xcodeFolders } from './xcode.ts'

/** macOS's program that starts another one under a profile. */
const sandboxExec = '/usr/bin/sandbox-exec'

/**
 * The sandbox of macOS (sandbox-exec): a process group whose programs the kernel lets reach only what a profile allows.
 * There are no namespaces: an action keeps its folder where it is, and a process that leaves the group lives on, with
 * the same restrictions. What a temporary file may be in is told by TMPDIR, since /tmp is everybody's.
 *
 * It has never run on a Mac.
 * @throws Failure 'unavailable' or a system error when programs cannot be started that way here
 */
export function seatbeltEnclosure(options: SandboxOptions, name: string, network: boolean): Enclosure {
  const program = options.sandboxExec ?? sandboxExec
  mkdirSync(options.directory, { recursive: true, mode: 0o700 })
  assertConfines(program, options.directory)
  const directory = join(options.directory, name)
  const temporary = join(directory, 'tmp')
  const profile = join(directory, 'profile.sb')
  mkdirSync(temporary, { recursive: true, mode: 0o700 })
  const readable = [...options.paths, ...xcodeFolders()]
  return {
    ...groupEnclosure(false),
    kind: 'seatbelt',
    prefix: [program, '-f', profile],
    // Only the last program before an action's own can set variables for the loader: macOS takes them away from its own.
    tools: (tool) => [`/usr/bin/${tool}`],
    cell: {
      enter(request) {
        const writable = [request.root ?? request.cwd, temporary]
        writeFileSync(profile, profileText({ writable, readable, network }), { mode: 0o600 })
        return { ...request, env: { TMPDIR: temporary, ...request.env } }
      },
      leave: () => true,
      remove: () => options.discard(directory),
    },
  }
}
