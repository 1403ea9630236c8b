import { findBuild } from '../../explain/find.ts'
import { buildsText } from '../builds.ts'
import { withHistory } from '../console.ts'
import { explainedJson, explainFrom, explanationText } from '../explain.ts'
import { type Asked, buildParameter, columns } from './asked.ts'
import type { Parameter, Tool } from './tool.ts'

const againstParameter: Parameter = {
  type: 'string',
  description:
    'compare with this build only (the beginning of its ID); by default, with the last build that had each action',
}

/** Tools about a build as a whole, and why it missed the cache. */
export function buildTools(asked: Asked): readonly Tool[] {
  async function explained(what: string | undefined, against: string | undefined, signal: AbortSignal) {
    const request = { folder: asked.folder, signal, ...(what && { what }), ...(against && { against }) }
    const found = await withHistory(await asked.addresses(), (history, channel) =>
      explainFrom(history, channel, request),
    )
    return { text: explanationText(found, columns, Date.now()), json: explainedJson(found) }
  }

  return [
    {
      name: 'list_builds',
      title: 'List builds',
      description:
        'Lists the last builds that used this cluster, newest first: id, when, client, duration, how many actions were cached or failed.',
      parameters: {
        limit: { type: 'integer', description: 'number of builds', minimum: 1, maximum: 1_000, default: 20 },
      },
      required: [],
      async ask(given) {
        const query = { limit: given.integer('limit') }
        const builds = await withHistory(await asked.addresses(), (history) => history.builds(query))
        return { text: buildsText(builds, Date.now(), columns), json: { builds } }
      },
    },
    {
      name: 'explain_build',
      title: 'Explain cache misses of a build',
      description:
        'Explains why actions of a build were not in the cache, worst first. A thousand misses caused by one changed header are reported as one cause with a count; a change made by another action is traced back to its origin.',
      parameters: { build: buildParameter, against: againstParameter },
      required: [],
      async ask(given, signal) {
        const build = given.text('build')
        const id = build && (await withHistory(await asked.addresses(), (history) => findBuild(history, build))).id
        return explained(id, given.text('against'), signal)
      },
    },
    {
      name: 'explain_target',
      title: 'Explain why a target, output or action was not cached',
      description: 'The same as explain_build for a part of the last build that had it.',
      parameters: {
        what: {
          type: 'string',
          description: 'a target such as //app:lib, the path of an output, or the digest of an action',
        },
        against: againstParameter,
      },
      required: ['what'],
      ask: (given, signal) => explained(given.text('what'), given.text('against'), signal),
    },
  ]
}
