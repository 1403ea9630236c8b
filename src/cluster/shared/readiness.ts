import { negotiate } from '../../client/capabilities.ts'
import { createCasClient } from '../../client/cas.ts'
import { execute } from '../../client/execute.ts'
import { checkTool, requestMetadata } from '../../client/request-metadata.ts'
import type { BlobSource } from '../../client/source.ts'
import type { Clock } from '../../core/clock.ts'
import { Failure, messageOf } from '../../core/failure.ts'
import { digestOf } from '../../core/hash.ts'
import { systemMeaningIn } from '../../host/system-errors.ts'
import { wait } from '../../host/wait.ts'
import { openDirectChannel } from '../../wire/direct.ts'
import { re } from '../../wire/proto.ts'
import type { Channel } from '../../wire/rpc.ts'
import { toFailure } from '../../wire/status.ts'
import { type CallTarget, openCalled } from '../../wire/tls/called.ts'
import type { Addresses, Endpoint } from '../addresses.ts'
import { workerProperty } from './machine.ts'

const answerMsMax = 60_000
const actionMsMax = 60_000
const attemptMsMax = 3_000
const pollMs = 40

/** The `authorization` that a server requires from this user; undefined where it requires none. */
export type Authorize = (url: string) => Promise<string | undefined>

/** A channel as this user. */
export async function openAs(target: CallTarget, authorize: Authorize | undefined): Promise<Channel> {
  const authorization = await authorize?.(target.url)
  return openCalled(target, openDirectChannel, () => authorization)
}

/**
 * One GetCapabilities call.
 * @throws Failure 'unavailable' and the like when the server does not answer
 */
export async function assertAnswers(target: CallTarget, signal?: AbortSignal, authorize?: Authorize): Promise<void> {
  const channel = await openAs(target, authorize)
  try {
    await negotiate(channel, { timeoutMs: attemptMsMax, ...(signal && { signal }) })
  } catch (error) {
    throw toFailure(error, target.url)
  } finally {
    channel.close()
  }
}

/**
 * Checks that the cache and the scheduler answer now. The console need not: builds work without it.
 * @param next what to do when one does not
 * @throws Failure 'unavailable' that names it, 'denied' for one that refuses this user
 */
export async function assertAllAnswer(
  { cache, scheduler }: Addresses,
  next: string,
  authorize?: Authorize,
): Promise<void> {
  await Promise.all(
    Object.entries({ cache, scheduler }).map(async ([what, endpoint]: [string, Endpoint]) => {
      try {
        await assertAnswers(endpoint, undefined, authorize)
      } catch (cause) {
        if (cause instanceof Failure && cause.kind === 'denied') throw cause
        const says = `the ${what} does not answer: ${systemMeaningIn(cause)?.says ?? messageOf(cause)}`
        throw new Failure('unavailable', says, { where: endpoint.url, next: [next], cause })
      }
    }),
  )
}

/**
 * Waits for the first answer of a starting server.
 * @param msMax a minute by default
 * @throws Failure 'deadline' then, with the error of the last attempt
 */
export function untilAnswers(
  target: CallTarget,
  clock: Clock,
  signal: AbortSignal,
  msMax = answerMsMax,
  authorize?: Authorize,
): Promise<void> {
  return retried(msMax, 'the server does not answer', clock, signal, () => assertAnswers(target, signal, authorize))
}

/**
 * Runs an action that does nothing on the worker of this name, once the worker is there.
 * @param msMax a minute by default
 * @throws Failure 'deadline' then, with the error of the last attempt
 */
export async function runOnWorker(
  target: CallTarget,
  worker: string,
  clock: Clock,
  signal: AbortSignal,
  msMax = actionMsMax,
  authorize?: Authorize,
): Promise<void> {
  const channel = await openAs(target, authorize)
  const options = { attemptsMax: 1, metadata: requestMetadata({ tool: checkTool }) }
  try {
    const { action, sources } = trivialAction(worker)
    await retried(msMax, `no action runs on ${worker}`, clock, signal, async () => {
      await createCasClient(channel, options).upload(sources, signal)
      const done = await execute(channel, { action, skipCacheLookup: true, signal }, options)
      if (done.error) throw done.error
      if (done.result.exitCode)
        throw new Failure('program', `the action ended with exit code ${done.result.exitCode}`, { where: worker })
    })
  } finally {
    channel.close()
  }
}

/** `sh -c :` for one worker; never cached, so that each readiness check really runs. */
function trivialAction(worker: string) {
  const platform = { properties: [{ name: workerProperty, value: worker }] }
  const command = source(re.Command.encode({ arguments: ['/bin/sh', '-c', ':'], platform }).finish())
  const root = source(re.Directory.encode({}).finish())
  const action = source(
    re.Action.encode({
      commandDigest: { hash: command.digest.hash, sizeBytes: command.digest.size },
      inputRootDigest: { hash: root.digest.hash, sizeBytes: root.digest.size },
      doNotCache: true,
      platform,
    }).finish(),
  )
  return { action: action.digest, sources: [command, action] }
}

function source(bytes: Uint8Array): BlobSource {
  return { digest: digestOf('sha256', bytes), content: bytes }
}

/** Retries until it works; a worker that has not joined yet is refused at first. */
async function retried(
  msMax: number,
  what: string,
  clock: Clock,
  signal: AbortSignal,
  attempt: () => Promise<void>,
): Promise<void> {
  const deadline = clock.now() + msMax
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      signal.throwIfAborted()
      if (clock.now() > deadline) throw new Failure('deadline', `${what}: ${messageOf(error)}`, { cause: error })
      await wait(pollMs, clock, signal)
    }
  }
}
