import { z } from 'zod'
import type { ProgramContext } from '../context.ts'
import { type Call, contextName, run } from '../docker/programs.ts'

/** A release that helm has installed, or begun to. */
export interface Release {
  readonly name: string
  readonly namespace: string
}

/** States that a killed helm leaves; helm refuses to continue from them. */
const halfDone: ReadonlySet<string> = new Set([
  'pending-install',
  'pending-upgrade',
  'pending-rollback',
  'uninstalling',
])
const releases = z.array(z.object({ name: z.string(), revision: z.coerce.number(), status: z.string() }))

/** Calls helm on this cluster only: with our own kubeconfig, and its context by name. */
export function helm(context: ProgramContext, args: readonly string[], call: Call = {}): Promise<string> {
  const place = ['--kubeconfig', context.paths.kubeconfig, '--kube-context', contextName(context)]
  return run(context, 'helm', [...args, ...place], call)
}

/**
 * Installs a chart, or upgrades what is there to these values. What a killed call left half done is cleared away first:
 * helm would refuse as long as it is there.
 * @param chart a file, a folder or an address: helm looks up a bare name in the current folder first
 * @param values a YAML file
 * @returns the revision that ran before; undefined when there was none
 * @throws Failure 'precondition' without helm, 'program' with helm's own message, 'deadline'
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

/**
 * Reads a chart's own description, which proves that it is available. @throws Failure 'program' with helm's own message
 */
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
  // A first revision is rolled back to itself: removing it would take minutes, and what it has created is needed.
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
