import { tokenFor } from '../../access/logins.ts'
import type { Addresses } from '../../cluster/addresses.ts'
import { userContext } from '../user.ts'
import type { Credentials } from './tool.ts'

/** What tools have to send to these servers; undefined if this user has no token for them. */
export async function credentialsFor(
  { cache, scheduler }: Addresses,
  program: readonly string[],
): Promise<Credentials | undefined> {
  const user = userContext()
  const token = (await tokenFor(user, cache.url)) ?? (await tokenFor(user, scheduler.url))
  if (token === undefined) return undefined
  return {
    token,
    async helper() {
      const { writeCredentialHelper } = await import('./helper.ts')
      return writeCredentialHelper(user, program)
    },
  }
}
