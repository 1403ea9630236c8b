import { type Check, note, ok } from '../preflight/check.ts'
import type { ClusterStatus } from '../status.ts'
import { namesText, otherAccounts } from './accounts.ts'
import { atLoginCheck } from './at-login/check.ts'
import type { ProcessContext } from './context.ts'
import type { ClusterPaths } from './paths.ts'
import { clusterIsPrivate, needsTokens } from './private.ts'
import { otherClusters } from './state.ts'

/**
 * The checks of `native doctor` where servers are processes: they share this machine with everybody who has an account
 * on it.
 */
export function processChecks(context: ProcessContext, status: Promise<ClusterStatus>): Check[] {
  return [workersCheck(status), othersCheck(context.paths), atLoginCheck(status), accountsCheck(context)]
}

/** What this machine's workers report about it: a full disk, folders that they cannot remove. */
function workersCheck(status: Promise<ClusterStatus>): Check {
  return {
    title: 'workers',
    async run() {
      const { servers } = await status
      const workers = servers.filter(({ role }) => role === 'worker')
      const notes = workers.flatMap(({ name, notes: each }) => each.map((text) => `${name}: ${text}`))
      if (notes.length === 0) return ok(workers.length === 0 ? 'there are none' : 'no problems reported')
      return note(
        notes.join('; '),
        'Free space on the disk of the data folder, or remove by hand what is named here; what a sandbox needs is listed under "sandbox".',
      )
    },
  }
}

/** Which other clusters use ports, memory and disk of this machine; having some is not a fault. */
function othersCheck(paths: ClusterPaths): Check {
  return {
    title: 'other clusters',
    async run() {
      const others = await otherClusters(paths)
      if (others.length === 0) return ok('you have none')
      const texts = others.map(({ name, ports, joined }) =>
        joined
          ? `"${name}" (a worker for ${joined.scheduler})`
          : `"${name}" (ports ${ports['cas']} and ${ports['scheduler']})`,
      )
      return ok(texts.join(', '))
    },
  }
}

/** Can other people's accounts on this machine use the cluster, and so run commands as this user? */
function accountsCheck(context: Pick<ProcessContext, 'paths' | 'user'>): Check {
  return {
    title: 'other accounts',
    async run() {
      if (await clusterIsPrivate(context)) return ok('not admitted')
      if (await needsTokens(context)) return ok('need a token')
      const others = await otherAccounts(context.user.uid)
      if (others.length === 0) return ok('none may log in here')
      return note(
        `${namesText(others)} can run commands as you through the cluster`,
        '"native deploy --private" admits you and root alone.',
      )
    },
  }
}
