import { createActionsClient } from '../client/actions.ts'
import { createCasClient } from '../client/cas.ts'
import { checkTool, requestMetadata } from '../client/request-metadata.ts'
import type { ActionRecord, BuildHistory } from '../core/build-history.ts'
import { messageOf } from '../core/failure.ts'
import { type CheckedAction, type Finding, type FindingOfMany, findingsIn, gathered } from '../explain/hermetic.ts'
import type { re } from '../wire/proto.ts'
import type { Channel } from '../wire/rpc.ts'
import { runTraced } from './hermetic/traced-run.ts'
import { isHere } from './looked-for.ts'
import { eachAction, type Stopped } from './repeat/each-action.ts'
import { planActions } from './repeat/plan.ts'

/** The arguments of `native check-hermetic`. */
export interface HermeticRequest {
  /** The beginning of a build's id; the last build if absent. */
  readonly build?: string
  /** How many actions are run again. */
  readonly limit: number
  /** Absolute paths that actions may use: what every worker has. */
  readonly allow: readonly string[]
  readonly version: string
  readonly signal: AbortSignal
}

export interface HermeticReport {
  readonly build: string
  /** The build's actions, and those that were run again. */
  readonly actions: number
  readonly checked: number
  readonly findings: readonly FindingOfMany[]
  /** Those about which nothing can be said, and why. */
  readonly unchecked: readonly (CheckedAction & { readonly why: string })[]
  /** Why not all of them were started. */
  readonly stopped: Stopped | null
}

const jobs = 4

/**
 * Runs a build's actions again, traced by the workers' strace, and reports what each used of its machine besides its
 * inputs. Nothing of it is cached.
 * @throws Failure 'not-found' for an unknown build; RpcError of a call to the history, or if a server is unreachable or
 *   refuses the caller before any action was finished
 */
export async function checkHermetic(
  history: BuildHistory,
  cache: Channel,
  scheduler: Channel,
  { build, limit, allow, version, signal }: HermeticRequest,
): Promise<HermeticReport> {
  const planned = await planActions(history, build, limit)
  const metadata = requestMetadata({ tool: checkTool, toolVersion: version })
  const found: { by: CheckedAction; findings: readonly Finding[] }[] = []
  const unchecked: (CheckedAction & { why: string })[] = []

  async function check(record: ActionRecord): Promise<void> {
    const { digest, instance } = record
    const client = { instance, fn: digest.fn, metadata }
    const before = await createActionsClient(cache, client).get(digest, undefined, signal)
    const servers = { cas: createCasClient(cache, client), scheduler, history, metadata, signal }
    const { traced, variables, result } = await runTraced(servers, record, before?.exitCode ?? record.exitCode)
    const findings = [...findingsIn(traced, variables, isHere), ...(before ? changedOutputs(before, result) : [])]
    found.push({ by: nameOf(record), findings: findings.filter((each) => !isAllowed(each, allow)) })
  }

  const stopped = await eachAction(planned.actions, { jobs, signal }, check, (record, error) =>
    unchecked.push({ ...nameOf(record), why: messageOf(error) }),
  )
  return {
    build: planned.build,
    actions: planned.actions.length + planned.left,
    checked: found.length,
    findings: gathered(found),
    unchecked,
    stopped: stopped ?? null,
  }
}

function nameOf({ digest, target, mnemonic }: ActionRecord): CheckedAction {
  return { action: digest.hash, target, mnemonic }
}

/** Outputs that differ now, or are missing. */
function changedOutputs(before: re.ActionResult, after: re.ActionResult.$Properties): Finding[] {
  const now = contentsOf(after)
  return [...contentsOf(before)]
    .filter(([path, content]) => now.get(path) !== content)
    .map(([what]) => ({ kind: 'output', what }))
}

/** The content at each path. The newer field of symlinks and the two that it replaced name the same links (rule 41). */
function contentsOf(result: re.ActionResult.$Properties): ReadonlyMap<string, string> {
  const links = [
    ...(result.outputFileSymlinks ?? []),
    ...(result.outputDirectorySymlinks ?? []),
    ...(result.outputSymlinks ?? []),
  ]
  return new Map([
    ...(result.outputFiles ?? []).map(({ path, digest }) => [path ?? '', digest?.hash ?? ''] as const),
    ...(result.outputDirectories ?? []).map(({ path, treeDigest }) => [path ?? '', treeDigest?.hash ?? ''] as const),
    ...links.map(({ path, target }) => [path ?? '', `symlink to ${target}`] as const),
  ])
}

function isAllowed({ kind, what }: Finding, allow: readonly string[]): boolean {
  const isTaken = kind === 'tool' || kind === 'header' || kind === 'library' || kind === 'file'
  return isTaken && allow.some((path) => what === path || what.startsWith(`${path.replace(/\/$/, '')}/`))
}
