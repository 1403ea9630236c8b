import { join } from 'node:path'
import { remove, removeEmpty, writeWhole } from '../host/files.ts'
import { makeFolder } from '../host/folders.ts'
import { configRootOf, type UserContext } from '../host/user-folders.ts'

/**
 * Writes the token of one login into a file of its own, for tools that take nothing but a path; this user alone can read it.
 * @param login the login's name
 * @returns the path
 */
export async function writeTokenFile(user: UserContext, login: string, token: string): Promise<string> {
  const path = tokenFile(user, login)
  makeFolder(folderOf(user), 'cannot make the folder of the tokens', 0o700)
  // Without a line break: some tools send whatever the file has.
  await writeWhole(path, token)
  return path
}

/** Removes the file of a login, if there is one. */
export async function removeTokenFile(user: UserContext, login: string): Promise<void> {
  await remove(tokenFile(user, login))
  await removeEmpty(folderOf(user))
}

function tokenFile(user: UserContext, login: string): string {
  return join(folderOf(user), encodeURIComponent(login))
}

function folderOf(user: UserContext): string {
  return join(configRootOf(user), 'tokens')
}
