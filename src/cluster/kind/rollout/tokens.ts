import { removeLoginsOf } from '../../../access/logins.ts'
import { Failure } from '../../../core/failure.ts'
import { readIfThere } from '../../../host/files.ts'
import { withLock } from '../../../host/process-lock.ts'
import type { Step, TokensPlace } from '../../driver.ts'
import { applyObjects } from '../../kubernetes/apply.ts'
import type { Kubernetes } from '../../kubernetes/connect.ts'
import { asksTokens, tokensSecretOf } from '../../manifest/client-secrets.ts'
import { ensureOwnersLogin } from '../../shared/owners-login.ts'
import { type KindContext, namespaceOf } from '../context.ts'
import { addressesAt, spellingsOf } from '../door.ts'
import { kubernetesOf } from '../nodes/api-server.ts'
import { readKindMemory } from '../state.ts'
import { sendAccessFiles } from './access-files.ts'
import type { Work } from './plan.ts'
import { tellPods } from './told.ts'

/** The version of the tokens that a pod was last told about. */
const tokensAnnotation = 'native/tokens'

/** Creates the clients' tokens, if they need some, and one for this user; gives the cluster their hashes. */
export function tokensStep(context: KindContext, work: Pick<Work, 'before'>): Step {
  const { paths, user, clock } = context
  const owner = { user, clock, tokens: paths.tokens, state: paths.state }
  return {
    title: 'Tokens of the clients',
    async run(report) {
      const memory = await readKindMemory(paths)
      const deployment = memory?.deployment ?? {}
      if (!memory?.pool || !asksTokens(deployment)) {
        await removeLoginsOf(user, paths.state, clock)
        return report.say('none: no client needs one')
      }
      const addresses = addressesAt(paths, memory, memory.pool)
      await ensureOwnersLogin(owner, spellingsOf(addresses, deployment))
      const kubernetes = await kubernetesOf(context, report)
      const change = await sendTokens(context, kubernetes, report.signal)
      await sendAccessFiles(context, kubernetes, deployment, report.signal)
      report.say(`those of ${paths.tokens}; Secret ${change}`)
    },
    // Servers that ask for tokens again ask this user as well.
    async undo() {
      const { before } = work
      if (!before?.deployment || !before.pool || !asksTokens(before.deployment)) return
      const addresses = addressesAt(paths, before, before.pool)
      await ensureOwnersLogin(owner, spellingsOf(addresses, before.deployment))
      const kubernetes = await kubernetesOf(context, { say: () => undefined })
      await sendTokens(context, kubernetes)
      await sendAccessFiles(context, kubernetes, before.deployment)
    },
    undoes: () => asksTokens(work.before?.deployment ?? {}),
  }
}

/**
 * The tokens of a cluster: a file of this user's, whose hashes go to the cluster after each change.
 * @throws Failure 'not-found' without a deployment, 'precondition' where clients need no tokens
 */
export async function tokensOf(context: KindContext): Promise<TokensPlace> {
  const { paths } = context
  const memory = await readKindMemory(paths)
  if (!memory?.deployment)
    throw new Failure('not-found', `nothing is deployed on cluster "${paths.name}"`, {
      next: ['Run `native deploy --access team` first.'],
    })
  if (!asksTokens(memory.deployment))
    throw new Failure('precondition', `clients of cluster "${paths.name}" need no token`, {
      next: ['Run `native deploy --access team` to require tokens.'],
    })
  return {
    file: paths.tokens,
    changed: async () => {
      try {
        await sendTokens(context, await kubernetesOf(context))
      } catch (error) {
        throw unsent(error, paths.tokens)
      }
    },
  }
}

function unsent(error: unknown, file: string): unknown {
  if (!(error instanceof Failure)) return error
  const { kind, message, where, next, output } = error
  return new Failure(kind, `the cluster has not received its tokens: ${message}`, {
    where: where ?? file,
    next: [
      'The change has been made on this machine. Run the same command again, or any other that changes a token: each brings all of them to the cluster.',
      ...next,
    ],
    ...(output !== undefined && { output }),
    cause: error,
  })
}

/**
 * Gives the cluster the current hashes, and its servers soon.
 * @returns what became of the Secret
 * @throws Failure 'not-found' without the file
 */
export async function sendTokens(
  context: Pick<KindContext, 'paths' | 'clock'>,
  kubernetes: Kubernetes,
  signal?: AbortSignal,
): Promise<string> {
  const { paths, clock } = context
  const namespace = namespaceOf(context)
  // The file is read under the lock: what somebody else has removed from it meanwhile must not come back.
  return withLock(`${paths.tokens}.sent.lock`, { clock, ...(signal && { signal }) }, async () => {
    const text = await readIfThere(paths.tokens)
    if (text === undefined)
      throw new Failure('not-found', 'there is no tokens file', {
        where: paths.tokens,
        next: ['`native deploy --access team` makes one.'],
      })
    const secret = tokensSecretOf({ namespace }, text)
    const [applied] = await applyObjects(kubernetes, [secret], signal ? { signal } : {})
    await tellPods(context, kubernetes, { annotation: tokensAnnotation, text, servers: ['cas', 'scheduler'] }, signal)
    return applied?.change ?? 'unchanged'
  })
}
