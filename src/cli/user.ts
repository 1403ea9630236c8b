import { homedir, tmpdir } from 'node:os'
import type { UserContext } from '../host/user-folders.ts'

/** The user of this process, as drivers ask for one. */
export function userContext(): UserContext {
  return { env: process.env, home: homedir(), tmp: tmpdir(), uid: process.getuid?.() ?? -1 }
}
