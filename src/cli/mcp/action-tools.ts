import { type ActionOutcome, type ActionRecord, actionOutcomes } from '../../core/build-history.ts'
import { digestText } from '../../core/digest.ts'
import { findBuild, findSubject } from '../../explain/find.ts'
import { actionName } from '../../explain/sentences.ts'
import { withHistory } from '../console.ts'
import { comparisonText, diffActions } from '../diff.ts'
import { table } from '../table.ts'
import { showAction, shownActionText } from './action.ts'
import { type Asked, buildParameter, columns } from './asked.ts'
import type { Tool, ToolAnswer } from './tool.ts'

/** Tools about single actions. */
export function actionTools(asked: Asked): readonly Tool[] {
  return [
    {
      name: 'list_actions',
      title: 'List actions of a build',
      description: 'Lists actions of a build with their digests, outcomes and times, for instance those that failed.',
      parameters: {
        build: buildParameter,
        outcome: { type: 'string', description: 'only actions with this outcome', enum: actionOutcomes },
        target: { type: 'string', description: 'only actions of this target' },
        mnemonic: { type: 'string', description: 'only actions of this kind, such as CppCompile' },
        limit: { type: 'integer', description: 'number of actions', minimum: 1, maximum: 1_000, default: 50 },
        after: {
          type: 'integer',
          description: 'continue after the action in this row',
          ...{ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, default: 0 },
        },
      },
      required: [],
      async ask(given) {
        const [prefix, outcome] = [given.text('build'), given.text('outcome') as ActionOutcome | undefined]
        const [target, mnemonic] = [given.text('target'), given.text('mnemonic')]
        const actions = await withHistory(await asked.addresses(), async (history) => {
          const build = prefix ? await findBuild(history, prefix) : (await findSubject(history, undefined)).build
          return history.actions({
            build: build.id,
            limit: given.integer('limit'),
            after: given.integer('after'),
            ...(outcome && { outcomes: [outcome] }),
            ...(target && { target }),
            ...(mnemonic && { mnemonic }),
          })
        })
        return actionsAnswer(actions)
      },
    },
    {
      name: 'show_action',
      title: 'Show an action',
      description:
        'Shows the last run of an action: arguments, environment (secrets hidden), platform, outputs, outcome, worker, times.',
      parameters: {
        what: { type: 'string', description: 'the digest of an action (or its beginning), or the path of an output' },
      },
      required: ['what'],
      async ask(given) {
        const json = await withHistory(await asked.addresses(), (history) =>
          showAction(history, given.text('what') ?? ''),
        )
        return { text: shownActionText(json), json }
      },
    },
    {
      name: 'diff_actions',
      title: 'Compare two actions',
      description:
        'Shows how two actions differ: arguments, variables, platform, and inputs down their trees. Secrets are hidden.',
      parameters: {
        one: { type: 'string', description: 'digest of the first action, as HASH/SIZE, or the beginning of HASH' },
        other: { type: 'string', description: 'digest of the second' },
      },
      required: ['one', 'other'],
      async ask(given, signal) {
        const [one, other] = [given.text('one') ?? '', given.text('other') ?? '']
        const json = await diffActions(await asked.addresses(), { one, other, instance: '', signal })
        return { text: comparisonText(json, columns), json }
      },
    },
  ]
}

function actionsAnswer(actions: readonly ActionRecord[]): ToolAnswer {
  const shown = actions.map(({ row, build, digest, target, mnemonic, firstOutput, outcome, exitCode, times }) => ({
    ...{ row, build, action: digestText(digest), target, mnemonic, output: firstOutput, outcome, exitCode },
    ranMs: times.runStart === undefined || times.runEnd === undefined ? null : times.runEnd - times.runStart,
  }))
  const rows = shown.map((each) => [
    actionName(each),
    each.outcome,
    each.ranMs === null ? '-' : `${each.ranMs} ms`,
    each.action,
  ])
  const text = rows.length === 0 ? 'There are no such actions.' : table(['ACTION', 'OUTCOME', 'RAN', 'DIGEST'], rows)
  return { text, json: { actions: shown } }
}
