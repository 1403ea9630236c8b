import { tokenFileFor, tokenFor } from '../../access/logins.ts'
import type { Addresses } from '../../cluster/addresses.ts'
import { userContext } from '../user.ts'
import type { ClientFacts } from './tool.ts'

/** What the settings of a tool are made from, with what this user has to send to these servers. */
export async function clientFacts(
  cluster: string,
  addresses: Addresses,
  program: readonly string[],
): Promise<ClientFacts> {
  const user = userContext()
  const helper = async () => {
    const { writeCredentialHelper } = await import('./helper.ts')
    return writeCredentialHelper(user, program)
  }
  for (const { url } of [addresses.cache, addresses.scheduler]) {
    const token = await tokenFor(user, url)
    if (token === undefined) continue
    const file = async () => (await tokenFileFor(user, url)) ?? ''
    return { cluster, addresses, program, helper, credentials: { token, file } }
  }
  return { cluster, addresses, program, helper }
}
