import { createHash } from 'node:crypto'
import type { Step, StepReport } from '../../driver.ts'
import { type Applied, appliedText, applyObjects } from '../../kubernetes/apply.ts'
import { readObjects } from '../../kubernetes/documents.ts'
import type { KindContext } from '../context.ts'
import { kubernetesOf } from '../nodes/api-server.ts'
import { controllersOf } from '../settings.ts'
import { readKindMemory, remember } from '../state.ts'
import { watchControllers } from './watch.ts'

const readyMsMax = 10 * 60_000
const workloads: ReadonlySet<string> = new Set(['Deployment', 'DaemonSet', 'StatefulSet', 'Job'])

/**
 * The Gateway API, and the controllers that provide addresses and Gateways. Their own objects, applied unchanged; for
 * cilium, which ciliumStep has installed, only the Gateway API.
 */
export function controllersStep(context: KindContext): Step {
  return {
    title: 'Controllers',
    async run(report) {
      const memory = await readKindMemory(context.paths)
      if (!memory) return
      const sources = controllersOf(context.settings, memory.profile)
      const wanted = fingerprint([memory.profile, sources])
      if (memory.controllers === wanted) return report.say(`${memory.profile}: already there`)
      const applied = await applySources(context, sources, report)
      const namespaces = namespacesOf(applied)
      await watchControllers(context, { namespaces, msMax: readyMsMax, report })
      await remember(context.paths, { controllers: wanted })
      report.say(`${memory.profile}: ${appliedText(applied)}${namespaces.map((each) => `; ${each} ready`).join('')}`)
    },
  }
}

async function applySources(context: KindContext, sources: readonly string[], report: StepReport): Promise<Applied[]> {
  const kubernetes = await kubernetesOf(context, report)
  const applied: Applied[] = []
  for (const source of sources) {
    report.say(source)
    const objects = await readObjects(source, report.signal)
    applied.push(...(await applyObjects(kubernetes, objects, { signal: report.signal })))
  }
  return applied
}

function fingerprint(of: unknown): string {
  return createHash('sha256').update(JSON.stringify(of)).digest('hex')
}

/** Where the controllers run. */
function namespacesOf(applied: readonly Applied[]): string[] {
  const running = applied.filter(({ key }) => workloads.has(key.kind))
  return [...new Set(running.map(({ key }) => key.metadata.namespace ?? 'default'))]
}
