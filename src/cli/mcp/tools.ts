import { statusText } from '../status.ts'
import { actionTools } from './action-tools.ts'
import type { Asked } from './asked.ts'
import { buildTools } from './build-tools.ts'
import type { Tool } from './tool.ts'

/** All tools of `native mcp`; all are read-only. */
export function toolsOf(asked: Asked): readonly Tool[] {
  return [
    ...buildTools(asked),
    ...actionTools(asked),
    {
      name: 'cluster_status',
      title: 'Status of the cluster',
      description:
        'Shows the servers of the cluster, whether they answer, how full the cache is and how often it hits.',
      parameters: {},
      required: [],
      async ask() {
        const json = await asked.status()
        return { text: statusText(json, Date.now(), undefined), json }
      },
    },
  ]
}
