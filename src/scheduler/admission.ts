import { type ActionsClient, createActionsClient } from '../client/actions.ts'
import { type CasClient, createCasClient } from '../client/cas.ts'
import type { Clock } from '../core/clock.ts'
import { type Digest, digestKey, digestText } from '../core/digest.ts'
import { Failure } from '../core/failure.ts'
import { assertLimitsSuffice } from '../core/limit-properties.ts'
import { batchBytesMax, smallBlobBytesMax } from '../core/limits.ts'
import { effectivePlatform, isHint } from '../core/platform.ts'
import { createSharedSemaphore } from '../core/semaphore.ts'
import { decodeMessage } from '../wire/decode.ts'
import { forExecute } from '../wire/for-execute.ts'
import { re } from '../wire/proto.ts'
import type { Channel } from '../wire/rpc.ts'
import { fromDuration } from '../wire/time.ts'
import type { ClientFacts } from './client.ts'
import { createDirectoryCache } from './directories.ts'
import { digestIn, type ExecuteRequest } from './execute-request.ts'
import { assertDirectorySize, walkInputs } from './inputs.ts'
import { type Platform, platformOf, propertiesMax } from './match.ts'
import { missingInputs, reasonAbsent } from './missing.ts'

/** How long an action may run. */
export interface Timeouts {
  readonly defaultMs: number
  readonly maxMs: number
}

/** An action that has been read and checked: everything it needs is in storage. */
export interface Admitted {
  /** The Action's own bytes. */
  readonly bytes: Uint8Array
  readonly platform: Platform
  readonly timeoutMs: number
  readonly doNotCache: boolean
}

export interface RunAdmission {
  readonly kind: 'run'
  readonly action: Admitted
  /** The bytes of its Command, and of Directories as far as they were read by this check and are few. */
  readonly read: readonly Uint8Array[]
}

type Admission = RunAdmission | { readonly kind: 'cached'; readonly result: re.ActionResult }

export interface AdmissionOptions {
  readonly cas: Channel
  readonly timeouts: Timeouts
  readonly clock: Clock
  /** May symlinks among the inputs point to absolute paths? (rule 41) */
  readonly absoluteLinksAllowed: () => Promise<boolean>
}

/** Decides whether an action may run; see admit. */
export interface Admissions {
  /**
   * Looks for a cached result, unless the client does not want one, and checks that Action, Command and the whole input
   * tree exist and are well formed. Concurrent identical requests share one check, which continues when a client leaves
   * because another may share it.
   * @param client its connection is used for fairness: clients with many requests take turns with others; what is
   *   found is kept for its invocation
   * @throws RpcError FAILED_PRECONDITION with a MISSING violation for each absent blob (rule 25); Failure 'invalid' for
   *   malformed messages; RpcErrors from the storage
   */
  admit(request: ExecuteRequest, client: Pick<ClientFacts, 'peer' | 'invocation' | 'metadata'>): Promise<Admission>
}

const callMsMax = 60_000
const attemptsMax = 3
/** Each holds an Action, a Command and a level of Directories in memory. */
const checksAtOnceMax = 256
const checksAtOnceMaxEach = 192
/** About 40 MB of digests. */
const cachedDigestsMax = 200_000

/** An Admissions over a storage. */
export function createAdmissions(options: AdmissionOptions): Admissions {
  const directories = createDirectoryCache(cachedDigestsMax)
  const running = new Map<string, Promise<Admission>>()
  const semaphore = createSharedSemaphore(checksAtOnceMax, checksAtOnceMaxEach)

  async function check(request: ExecuteRequest, metadata: string | undefined): Promise<Admission> {
    const { digest } = request
    if (digest.size > smallBlobBytesMax)
      throw new Failure('invalid', `an Action may have at most ${smallBlobBytesMax} bytes`, {
        where: digestText(digest),
      })
    const { cas, actions } = clients(options, request, metadata)
    const [cached, blobs] = await Promise.all([lookup(actions, request), cas.readBlobs([digest])])
    const bytes = blobs.get(digestText(digest))
    // In some storages a result outlives its Action, and is then still what the client wants.
    if (cached && !bytes) return { kind: 'cached', result: cached }
    if (!bytes) throw missingInputs([digest], await reasonAbsent(cas, digest))
    const action = decodeMessage(re.Action, bytes)
    // Rule 30: a result that must not be cached is not taken from the cache, no matter who stored it.
    if (cached && !action.doNotCache) return { kind: 'cached', result: cached }
    const timeoutMs = actionTimeout(action, options.timeouts)
    const { platform, read } = await checkInputs(cas, action, digest)
    // A copy: these bytes are a small slice of a larger read, all of which would otherwise stay in memory.
    const own = Uint8Array.from(bytes)
    return { kind: 'run', action: { bytes: own, platform, timeoutMs, doNotCache: action.doNotCache }, read }
  }

  /** Reads the Command and the input tree; returns the effective platform and what was read. */
  async function checkInputs(cas: CasClient, action: re.Action, digest: Digest) {
    const command = digestIn(action.commandDigest, digest, 'command_digest')
    const root = digestIn(action.inputRootDigest, digest, 'input_root_digest')
    if (command.size > batchBytesMax)
      throw new Failure('invalid', `a Command may have at most ${batchBytesMax} bytes`, { where: digestText(command) })
    assertDirectorySize(root)
    const blobs = await cas.readBlobs(directories.get(root) ? [command] : [command, root])
    const tree = await walkInputs(cas, directories, root, blobs)
    const commandBytes = blobs.get(digestText(command))
    const absent = [...(commandBytes ? [] : [command]), ...tree.missing, ...(await cas.findMissing(tree.unseen))]
    const [first] = absent
    if (first || !commandBytes) throw missingInputs(absent, first && (await reasonAbsent(cas, first)))
    if (tree.absoluteLink !== undefined && !(await options.absoluteLinksAllowed()))
      throw new Failure('invalid', `symlinks to absolute paths are not allowed: ${tree.absoluteLink}`)
    const { platform } = decodeMessage(re.Command, commandBytes)
    return { platform: checkedPlatform(action.platform, platform), read: [commandBytes, ...tree.read] }
  }

  return {
    admit(request, client) {
      const key = admissionKey(request, client.invocation)
      const known = running.get(key)
      if (known) return known
      const fresh = semaphore(client.peer, () => check(request, client.metadata)).finally(() => running.delete(key))
      running.set(key, fresh)
      return fresh
    },
  }
}

function clients({ cas, clock }: AdmissionOptions, { instance, digest }: ExecuteRequest, metadata: string | undefined) {
  const options = {
    instance,
    fn: digest.fn,
    clock,
    timeoutMs: callMsMax,
    attemptsMax,
    metadata: forExecute(metadata),
  }
  return { cas: createCasClient(cas, options), actions: createActionsClient(cas, options) }
}

function lookup(actions: ActionsClient, request: ExecuteRequest): Promise<re.ActionResult | undefined> {
  return request.skipCacheLookup ? Promise.resolve(undefined) : actions.get(request.digest, request.inline)
}

/**
 * Rule 31: an action with a timeout above the server's limit is refused, never cut short.
 * @throws Failure 'invalid'
 */
function actionTimeout(action: re.Action.$Properties, timeouts: Timeouts): number {
  const ms = action.timeout ? fromDuration(action.timeout, 'timeout') : 0
  if (ms < 0) throw new Failure('invalid', `timeout: ${ms} ms is not a valid time limit`)
  if (ms > timeouts.maxMs)
    throw new Failure(
      'invalid',
      `timeout: the action asks for ${ms / 1000} s, this server allows ${timeouts.maxMs / 1000} s`,
      {
        next: ['Set a shorter one, or raise timeout.max in the configuration of the scheduler.'],
      },
    )
  return ms === 0 ? timeouts.defaultMs : ms
}

function checkedPlatform(
  action: re.Platform.$Properties | null | undefined,
  command: re.Platform.$Properties | null | undefined,
): Platform {
  const properties = effectivePlatform(propertiesIn(action), propertiesIn(command))
  if (properties.length > propertiesMax)
    throw new Failure('invalid', `platform: at most ${propertiesMax} properties may be named`)
  assertLimitsSuffice(properties)
  return platformOf(properties.filter((property) => !isHint(property)))
}

function propertiesIn(platform: re.Platform.$Properties | null | undefined) {
  return (platform?.properties ?? []).map((each) => ({ name: each.name ?? '', value: each.value ?? '' }))
}

function admissionKey({ instance, digest, skipCacheLookup, inline }: ExecuteRequest, invocation: string): string {
  return JSON.stringify([
    instance,
    digestKey(digest),
    skipCacheLookup,
    inline.stdout,
    inline.stderr,
    inline.outputFiles,
    invocation,
  ])
}
