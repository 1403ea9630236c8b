import type { ActionRecord, BuildRecord } from '../core/build-history.ts'
import type { Clock } from '../core/clock.ts'
import { Failure } from '../core/failure.ts'
import { explainBuild } from '../explain/build.ts'
import { loadAction } from '../explain/compare.ts'
import type { Explanations } from '../explain/explanations.ts'
import { findEarlier } from '../explain/find.ts'
import { loadFrom } from '../explain/messages.ts'
import { actionPage } from './action.ts'
import { actionsTable } from './actions.ts'
import { type Answer, ok } from './answer.ts'
import { browsed, resultOf } from './browsed.ts'
import { buildPage } from './build.ts'
import { createBuildActions } from './build-actions.ts'
import { compared } from './compared.ts'
import { failedLogs } from './failed-logs.ts'
import { page } from './frame.ts'
import { html } from './html.ts'
import { createInTime } from './in-time.ts'
import { logPage } from './log.ts'
import { orNothing } from './or-nothing.ts'
import type { Route } from './route.ts'
import type { Sources } from './sources.ts'
import { timelineData } from './timeline-data.ts'
import { buildPath, shortId } from './words.ts'

const actionsShown = 500
const earlierShown = 20

/** The pages of one build, below `/build/ID`. */
export interface BuildRoutes {
  /**
   * Resolves to undefined for an unknown path.
   * @throws Failure 'not-found' and others, to be shown as a page
   */
  answer(build: BuildRecord, route: Route, signal: AbortSignal): Promise<Answer | undefined>
  /** Changes when there is an explanation that the page was answered without. */
  lateCount(build: BuildRecord, against: string): number
}

export function createBuildRoutes(sources: Sources, explanations: Explanations, clock: Clock): BuildRoutes {
  const { history, scheduler } = sources
  const inTime = createInTime(clock)
  const { actionsOf, criticalOf } = createBuildActions(history, explanations, clock)

  async function ofBuild(build: BuildRecord, asked: string): Promise<Answer> {
    const against = asked.trim() === '' ? undefined : await findEarlier(history, asked.trim(), build)
    // It is made even if nobody waits for it here: it is kept, and the page comes once more for it.
    const explaining = inTime.of(lateKey(build, asked), explanations.of(build, { against }))
    const [explanation, actions, told, critical] = await Promise.all([
      ...([explaining, actionsOf(build), history.invocation(build.id), criticalOf(build)] as const),
    ])
    const logs = told ? await failedLogs(history, told) : new Map()
    const facts = { build, actions, told, logs, critical, against, isFinal: explanations.isFinal(build) }
    const shown = explanation ?? explanations.last(build, against)
    return ok(buildPage({ ...facts, explanation: shown, isLate: explanation === undefined }, clock.now()))
  }

  function lateKey({ id }: BuildRecord, against: string): string {
    return JSON.stringify([id, against])
  }

  async function ofTimeline(build: BuildRecord): Promise<Answer> {
    const text = JSON.stringify(timelineData(await actionsOf(build), await criticalOf(build)))
    return { status: 200, type: 'application/json', text }
  }

  async function ofActions(build: BuildRecord, after: number): Promise<Answer> {
    const from = Number.isSafeInteger(after) && after > 0 ? after : 0
    const actions = await history.actions({ build: build.id, limit: actionsShown, after: from })
    const last = actions.length === actionsShown ? actions.at(-1) : undefined
    const title = `Actions of build ${shortId(build.id)}`
    const next =
      last && html`<p><a href="${buildPath(build.id)}/actions?after=${last.row}">The next ${actionsShown}</a></p>`
    const body = html`<h1>${title}</h1><p><a href="${buildPath(build.id)}">The build</a></p>
${actions.length === 0 ? html`<p>No more actions.</p>` : actionsTable('actions', actions, title)}${next}`
    return ok(page({ title, place: 'builds' }, body))
  }

  async function actionIn(build: BuildRecord, hash: string): Promise<ActionRecord> {
    const [action] = await history.actions({ build: build.id, hashPrefix: hash, limit: 1 })
    if (action) return action
    throw new Failure('not-found', 'this build has no such action', { where: hash.slice(0, 128) })
  }

  async function ofAction(build: BuildRecord, action: ActionRecord, signal: AbortSignal): Promise<Answer> {
    const [explanation, loaded, earlier, result, operation] = await Promise.all([
      action.outcome === 'hit'
        ? undefined
        : explainBuild(history, build, { subject: { hashPrefix: action.digest.hash }, signal }),
      orNothing(loadAction(action.digest, loadFrom(history))),
      history.earlier(action.row, earlierShown),
      resultOf(sources, action, signal),
      operationOf(action),
    ])
    return ok(actionPage({ action, explanation, loaded, earlier, result, operation }, clock.now()))
  }

  /** The scheduler's view of an action that has not ended. */
  async function operationOf({ outcome, digest }: ActionRecord) {
    if (outcome !== 'missed' || !scheduler) return undefined
    const view = await orNothing(scheduler(), 'unavailable')
    return view?.operations.find(({ action }) => action.hash === digest.hash)
  }

  /** Only logs that a client has named for this build, not any blob. */
  async function ofLog({ id }: BuildRecord, of: 'attempt' | 'failure', row: number, at: number): Promise<Answer> {
    const log = await history.log(id, of, row, at)
    if (!log) throw new Failure('not-found', 'this build has no such log')
    return ok(await logPage(history, id, log))
  }

  async function answer(build: BuildRecord, { parts, query }: Route, signal: AbortSignal): Promise<Answer | undefined> {
    const [third, fourth = '', fifth, ...rest] = parts.slice(2)
    if (third === undefined) return ofBuild(build, query.get('against') ?? '')
    if (third === 'actions') return ofActions(build, Number(query.get('after') ?? 0))
    if (third === 'timeline.json') return ofTimeline(build)
    if (third === 'log') return ofLog(build, 'attempt', Number(fourth), Number(fifth))
    if (third === 'action-log') return ofLog(build, 'failure', Number(fourth), Number(fifth))
    if (third !== 'action' || fourth === '') return undefined
    const action = await actionIn(build, fourth)
    if (fifth === undefined) return ofAction(build, action, signal)
    if (fifth === 'inputs' || fifth === 'outputs') return browsed(sources, action, fifth, rest, signal)
    if (fifth === 'compare') return compared(history, action, query.get('with') ?? '', clock.now())
    return undefined
  }

  return { answer, lateCount: (build, against) => inTime.lateCount(lateKey(build, against)) }
}
