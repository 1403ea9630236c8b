import { createHash } from 'node:crypto'
import { removeLoginsOf } from '../../../access/logins.ts'
import { Failure } from '../../../core/failure.ts'
import { readIfThere } from '../../../host/files.ts'
import { takeLock } from '../../../host/process-lock.ts'
import { wait } from '../../../host/wait.ts'
import type { Step, TokensPlace } from '../../driver.ts'
import { applyObjects } from '../../kubernetes/apply.ts'
import type { Kubernetes } from '../../kubernetes/connect.ts'
import { annotatePod, listPods, type Pod } from '../../kubernetes/pods.ts'
import { asksTokens, tokensSecretOf } from '../../manifest/client-secrets.ts'
import { ensureOwnersLogin } from '../../shared/owners-login.ts'
import { type KindContext, namespaceOf } from '../context.ts'
import { addressesAt, spellingsOf } from '../door.ts'
import { kubernetesOf } from '../nodes/api-server.ts'
import { readKindMemory } from '../state.ts'
import { isOf } from './servers.ts'

/** The version of the tokens that a pod was last told about. */
const tokensAnnotation = 'native/tokens'
/** A kubelet watches Secrets and pods separately: the pod is annotated once more after both have arrived. */
const againMs = 1_000

/** Creates the clients' tokens, if they need some, and one for this user; gives the cluster their hashes. */
export function tokensStep(context: KindContext): Step {
  const { paths, user, clock } = context
  return {
    title: 'Tokens of the clients',
    async run(report) {
      const memory = await readKindMemory(paths)
      const deployment = memory?.deployment ?? {}
      if (!memory?.pool || !asksTokens(deployment)) {
        await removeLoginsOf(user, paths.state, clock)
        return report.say('none: nobody is asked for one')
      }
      const addresses = addressesAt(paths, memory, memory.pool)
      const owner = { user, clock, tokens: paths.tokens, state: paths.state }
      await ensureOwnersLogin(owner, spellingsOf(addresses, deployment))
      const change = await sendTokens(context, await kubernetesOf(context, report), report.signal)
      report.say(`those of ${paths.tokens}; Secret ${change}`)
    },
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
  return new Failure(kind, `the cluster has not been told of its tokens: ${message}`, {
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
 * Gives the cluster the current hashes. By itself a kubelet would bring them to the servers within two minutes; for a
 * pod that changes it checks at once.
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
  const lock = await takeLock(`${paths.tokens}.sent.lock`, { clock, ...(signal && { signal }) })
  try {
    const text = await readIfThere(paths.tokens)
    if (text === undefined)
      throw new Failure('not-found', 'there is no tokens file', {
        where: paths.tokens,
        next: ['`native deploy --access team` makes one.'],
      })
    const secret = tokensSecretOf({ namespace }, text)
    const [applied] = await applyObjects(kubernetes, [secret], signal ? { signal } : {})
    const print = createHash('sha256').update(text).digest('hex').slice(0, 16)
    const untold = await podsToTell(kubernetes, namespace, `${print}-again`, signal)
    if (untold.length > 0) {
      await tellPods(kubernetes, untold, print, signal)
      await wait(againMs, clock, signal)
      await tellPods(kubernetes, untold, `${print}-again`, signal)
    }
    return applied?.change ?? 'unchanged'
  } finally {
    await lock.release()
  }
}

/**
 * The pods of servers that require tokens and were last told about others, or none, whenever the Secret has changed.
 */
async function podsToTell(
  kubernetes: Kubernetes,
  namespace: string,
  print: string,
  signal?: AbortSignal,
): Promise<Pod[]> {
  const pods = await listPods(kubernetes, namespace, signal)
  return pods
    .filter((each) => isOf(each, 'cas') || isOf(each, 'scheduler'))
    .filter(({ metadata }) => metadata.annotations?.[tokensAnnotation] !== print)
}

async function tellPods(
  kubernetes: Kubernetes,
  pods: readonly Pod[],
  print: string,
  signal?: AbortSignal,
): Promise<void> {
  for (const pod of pods)
    await annotatePod(kubernetes, pod, { [tokensAnnotation]: print }, signal).catch((error: unknown) => {
      // A pod that is gone has a successor, which starts with the current Secret.
      if (!(error instanceof Failure && error.kind === 'not-found')) throw error
    })
}
