import { z } from 'zod'
import type { ProgramContext } from '../context.ts'
import { type Call, contextName, run } from '../docker/programs.ts'

/** Something that helm has installed, or begun to. */
export interface Release {
  readonly name: string
  readonly namespace: string
}

/** What a killed helm leaves; it refuses to go on from there. */
const halfDone: ReadonlySet<string> = new Set([
  'pending-install',
  'pending-upgrade',
  'pending-rollback',
  'uninstalling',
])
const releases = z.array(z.object({ name: z.string(), revision: z.coerce.number(), status: z.string() }))

/** Calls helm on this cluster and no other: our own kubeconfig, and its context by name. */
export function helm(context: ProgramContext, args: readonly string[], call: Call = {}): Promise<string> {
  const place = ['--kubeconfig', context.paths.kubeconfig, '--kube-context', contextName(context)]
  return run(context, 'helm', [...args, ...place], call)
}

/**
 * Installs a chart, or brings what is there to these values. What an earlier call left half done
 * when it was killed is cleared away first: helm would refuse for as long as it stands.
 * @param chart a file, a folder or an address: helm looks for a mere name in the current folder first
 * @param values a YAML file
 * @returns the revision that ran before; undefined when there was none
 * @throws Failure 'precondition' without helm, 'program' in helm's own words, 'deadline'
 */
export async function installChart(
  context: ProgramContext,
  release: Release,
  chart: string,
  values: string,
  call: Call,
): Promise<number | undefined> {
  const before = await mended(context, release, call)
  const args = ['upgrade', '--install', release.name, chart, ...inNamespace(release)]
  await helm(context, [...args, '--values', values], call)
  return before
}

/** Reads a chart's own description: proves that it can be had. @throws Failure 'program' in helm's own words */
export async function showChart(context: ProgramContext, chart: string, call: Call): Promise<string> {
  return helm(context, ['show', 'chart', chart], call)
}

/** Goes back to an earlier revision. */
export async function rollBack(context: ProgramContext, release: Release, revision: number, call: Call): Promise<void> {
  await helm(context, ['rollback', release.name, String(revision), ...inNamespace(release)], call)
}

async function mended(context: ProgramContext, release: Release, call: Call): Promise<number | undefined> {
  const found = await releaseOf(context, release, call)
  if (found === undefined || !halfDone.has(found.status)) return found?.revision
  if (found.status === 'uninstalling') {
    await helm(context, ['uninstall', release.name, '--wait', ...inNamespace(release)], call)
    return undefined
  }
  // A first revision is taken back to itself: to remove it would take minutes, and what it has made is needed.
  const former = found.revision - 1
  await rollBack(context, release, Math.max(former, 1), call)
  return former === 0 ? undefined : former
}

async function releaseOf(context: ProgramContext, { name, namespace }: Release, call: Call) {
  const args = ['list', '--all', '--namespace', namespace, '--filter', `^${name}$`, '--output', 'json']
  return releases.parse(JSON.parse(await helm(context, args, call)))[0]
}

function inNamespace({ namespace }: Release): string[] {
  return ['--namespace', namespace]
}
