import { homedir, tmpdir } from 'node:os'
import type { UserContext } from '../host/user-folders.ts'

/** This process's user, as drivers expect it. */
export function userContext(): UserContext {
  return { env: process.env, home: homedir(), tmp: tmpdir(), uid: process.getuid?.() ?? -1 }
}
