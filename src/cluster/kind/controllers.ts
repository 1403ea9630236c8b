import { createHash } from 'node:crypto'
import { Failure } from '../../core/failure.ts'
import type { Step, StepReport } from '../driver.ts'
import type { KindContext } from './context.ts'
import { loadArchives } from './images.ts'
import { kubectl } from './programs.ts'
import { readKindMemory, writeKindMemory } from './state.ts'
import { watchPods } from './watch.ts'

const readyMsMax = 10 * 60_000

/** The Gateway API, and who brings addresses and gateways. Their own objects, applied as they are. */
export function controllersStep(context: KindContext): Step {
  return {
    title: `Controllers (${context.settings.profile})`,
    async run(report) {
      const memory = await readKindMemory(context.paths)
      const wanted = fingerprint(context)
      if (memory?.controllers === wanted) return report.say('already there')
      await loadArchives(context, report)
      for (const each of context.settings.controllers) await applyFile(context, each, report)
      const namespaces = await managedNamespaces(context)
      await watchPods(context, { namespaces, msMax: readyMsMax, report })
      if (memory) await writeKindMemory(context.paths, { ...memory, controllers: wanted })
      report.say(`${context.settings.controllers.length} sets of objects, ${namespaces.join(', ')} ready`)
    },
  }
}

function fingerprint({ settings }: KindContext): string {
  return createHash('sha256')
    .update(JSON.stringify([settings.profile, settings.controllers]))
    .digest('hex')
}

/** Objects whose kinds come with the same file are taken the second time: their definitions need a moment. */
async function applyFile(context: KindContext, file: string, report: StepReport): Promise<void> {
  const { signal } = report
  report.say(file)
  const args = ['apply', '--server-side', '--force-conflicts', '--field-manager=native', '--filename', file]
  await kubectl(context, args, { signal, msMax: readyMsMax }).catch(async (error: unknown) => {
    if (!(error instanceof Failure && error.kind === 'program')) throw error
    await kubectl(context, ['wait', '--for=condition=Established', 'crd', '--all', '--timeout=60s'], {
      signal,
      msMax: 90_000,
    })
    await kubectl(context, args, { signal, msMax: readyMsMax })
  })
}

/** Where controllers run: what is neither Kubernetes' own nor ours. */
async function managedNamespaces(context: KindContext): Promise<string[]> {
  const text = await kubectl(context, [
    'get',
    'deployments',
    '--all-namespaces',
    '-o',
    'jsonpath={.items[*].metadata.namespace}',
  ])
  const own = new Set(['kube-system', 'local-path-storage', context.paths.name])
  return [...new Set(text.split(' '))].filter((each) => each !== '' && !own.has(each))
}
