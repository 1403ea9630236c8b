import type { Deployment } from '../../config/deployment.ts'
import { isLoopback } from '../../core/address.ts'
import { tellsUsers } from '../../wire/same-user.ts'
import type { Step } from '../driver.ts'
import { loopback } from '../shared/ports.ts'
import { namesText, otherAccounts } from './accounts.ts'
import type { ProcessContext } from './context.ts'
import { readMemory } from './state.ts'

/**
 * Do the servers of this deployment admit only this user and root? By default root's servers do, if they need no token:
 * their actions run as root, whoever requests them.
 */
export async function isPrivate(deployment: Deployment, { user }: Pick<ProcessContext, 'user'>): Promise<boolean> {
  const { private: asked, access = 'none', listen = loopback } = deployment
  const open = access !== 'none' || !isLoopback(listen)
  return asked ?? (!open && user.uid === 0 && (await tellsUsers()))
}

/** The same for the cluster as last deployed, or as it would be by default. */
export async function clusterIsPrivate(context: Pick<ProcessContext, 'paths' | 'user'>): Promise<boolean> {
  return isPrivate((await readMemory(context.paths))?.deployment ?? {}, context)
}

/** Do clients of the cluster, as last deployed, need tokens? */
export async function needsTokens({ paths }: Pick<ProcessContext, 'paths'>): Promise<boolean> {
  return ((await readMemory(paths))?.deployment?.access ?? 'none') !== 'none'
}

/** Reports who can use the cluster as it is deployed, or would be. */
export function accessStep(context: ProcessContext): Step {
  return {
    title: 'Access',
    async run(report) {
      const deployment = (await readMemory(context.paths))?.deployment ?? {}
      const closed = await isPrivate(deployment, context)
      const exposed = exposureText(deployment, closed)
      report.say(exposed ?? accessText(closed, await otherAccounts(context.user.uid)))
    },
  }
}

/** In one line, what other machines can do here; undefined when they cannot reach anything. */
function exposureText({ listen = loopback, tls, access = 'none' }: Deployment, closed: boolean): string | undefined {
  const showsCertificate = typeof tls === 'object' && tls.client_ca !== undefined
  if (showsCertificate) {
    const shown = access === 'none' ? 'a certificate' : 'a certificate and a token'
    return `clients with ${shown}, from wherever they reach it`
  }
  if (access !== 'none') return closed ? 'this user, and root, with a token' : 'whoever has a token'
  return isLoopback(listen) ? undefined : `everyone who reaches ${listen}: they run commands as you`
}

/** In one line, what the other accounts of this machine can do here. */
function accessText(closed: boolean, others: readonly string[]): string {
  if (closed) return 'this user, and root'
  if (others.length === 0) return 'every program of this machine, where nobody else has an account to log in with'
  return `every account of this machine, ${namesText(others)} too: they run commands as you; --private keeps them out`
}
