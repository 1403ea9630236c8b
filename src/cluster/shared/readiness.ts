import { negotiate } from '../../client/capabilities.ts'
import { createCasClient } from '../../client/cas.ts'
import { execute } from '../../client/execute.ts'
import { pause } from '../../client/retry.ts'
import type { BlobSource } from '../../client/source.ts'
import type { Clock } from '../../core/clock.ts'
import { Failure, messageOf } from '../../core/failure.ts'
import { digestOf } from '../../core/hash.ts'
import { openDirectChannel } from '../../wire/direct.ts'
import { re } from '../../wire/proto.ts'
import { toFailure } from '../../wire/status.ts'
import type { Addresses, Endpoint } from '../driver.ts'
import { workerProperty } from './render.ts'

const answerMsMax = 60_000
const actionMsMax = 60_000
const attemptMsMax = 3_000
const pollMs = 40

/**
 * One GetCapabilities call.
 * @throws Failure 'unavailable' and the like when the server does not answer
 */
export async function assertAnswers(url: string, signal?: AbortSignal): Promise<void> {
  const channel = openDirectChannel(url)
  try {
    await negotiate(channel, { timeoutMs: attemptMsMax, ...(signal && { signal }) })
  } catch (error) {
    throw toFailure(error, url)
  } finally {
    channel.close()
  }
}

/**
 * Each server that clients use answers now.
 * @param next what to do when one does not
 * @throws Failure 'unavailable' that names it
 */
export async function assertAllAnswer(addresses: Addresses, next: string): Promise<void> {
  await Promise.all(
    Object.entries(addresses).map(async ([what, { url }]: [string, Endpoint]) => {
      try {
        await assertAnswers(url)
      } catch (cause) {
        throw new Failure('unavailable', `the ${what} does not answer`, { where: url, next: [next], cause })
      }
    }),
  )
}

/**
 * Waits for the first answer of a server that starts.
 * @param msMax a minute by default
 * @throws Failure 'deadline' then, with what the last attempt met
 */
export function untilAnswers(url: string, clock: Clock, signal: AbortSignal, msMax = answerMsMax): Promise<void> {
  return retried(msMax, 'the server does not answer', clock, signal, () => assertAnswers(url, signal))
}

/**
 * Runs an action that does nothing on the worker of this name, once the worker is there.
 * @param msMax a minute by default
 * @throws Failure 'deadline' then, with what the last attempt met
 */
export async function runOnWorker(
  url: string,
  worker: string,
  clock: Clock,
  signal: AbortSignal,
  msMax = actionMsMax,
): Promise<void> {
  const channel = openDirectChannel(url)
  try {
    const { action, sources } = trivialAction(worker)
    await retried(msMax, `no action runs on ${worker}`, clock, signal, async () => {
      await createCasClient(channel, { attemptsMax: 1 }).upload(sources, signal)
      const done = await execute(channel, { action, skipCacheLookup: true, signal }, { attemptsMax: 1 })
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

/** Tries until it works; a worker that has not yet joined is refused at first. */
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
      await pause(pollMs, clock, signal)
    }
  }
}
