import { chmod } from 'node:fs/promises'
import { join } from 'node:path'
import { shellWord } from '../../core/shell-word.ts'
import { writeWhole } from '../../host/files.ts'
import { makeFolder } from '../../host/folders.ts'
import { configRootOf, type UserContext, xdgFolder } from '../../host/user-folders.ts'

/**
 * Writes the credential helper that Bazel runs: Bazel wants the path of a program, and calls it with the argument
 * `get`.
 * @param program the command line that starts this program, with absolute paths
 * @returns its path
 */
export async function writeCredentialHelper(user: UserContext, program: readonly string[]): Promise<string> {
  const folder = configRootOf(user)
  const path = join(folder, 'bazel-credential-helper')
  makeFolder(folder, 'cannot make the folder of the credential helper', 0o700)
  // Bazel's server may have been started with a different environment.
  const config = shellWord(xdgFolder(user, 'XDG_CONFIG_HOME'))
  const words = [...program, 'credential-helper'].map(shellWord).join(' ')
  await writeWhole(
    path,
    `#!/bin/sh\n# Written by "native bazelrc", for --credential_helper.\nXDG_CONFIG_HOME=${config} exec ${words} "$@"\n`,
  )
  await chmod(path, 0o700)
  return path
}
