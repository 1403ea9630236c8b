import type { Clock } from '../core/clock.ts'
import { Failure } from '../core/failure.ts'
import type { SchedulerView } from '../core/scheduler-view.ts'
import type { Explanations } from '../explain/explanations.ts'
import { findBuild, findSubject } from '../explain/find.ts'
import { hasEnded } from '../explain/heard.ts'
import { actionsTable } from './actions.ts'
import { type Answer, ok, redirect } from './answer.ts'
import { isLive, quietMs } from './build.ts'
import { createBuildRoutes } from './build-routes.ts'
import { buildsPage } from './builds.ts'
import { type CacheFacts, cachePage } from './cache.ts'
import { page } from './frame.ts'
import { html } from './html.ts'
import { createKept } from './kept.ts'
import { orNothing } from './or-nothing.ts'
import { queuePage } from './queue.ts'
import type { Route } from './route.ts'
import { type RunningFacts, runningPage } from './running.ts'
import type { Sources } from './sources.ts'
import { actionPath, buildPath, shortId } from './words.ts'
import { workersPage } from './workers.ts'

const buildsShown = 100
/** Actions listed for one search. */
const foundMax = 500
/** Builds considered for the cache's page, and those whose lookups are counted there. */
const cacheBuildsMax = 1_000
const answersOf = 20

/** The pages by address. */
export interface Routes {
  /** @throws Failure 'not-found' and others, to be shown as a page */
  answer(route: Route, signal: AbortSignal): Promise<Answer>
  /** A page's state as a text that changes whenever the page would. */
  state(route: Route): Promise<string>
}

export function createRoutes(sources: Sources, explanations: Explanations, clock: Clock): Routes {
  const { history, scheduler, running, cache } = sources
  const ofBuild = createBuildRoutes(sources, explanations, clock)
  const metKept = createKept<Pick<CacheFacts, 'builds' | 'answers'>>(history, clock, 1)

  async function answer({ parts, query }: Route, signal: AbortSignal): Promise<Answer> {
    const [first = '', id = '', third] = parts
    if (first === '' && id === '') return ok(buildsPage(await history.builds({ limit: buildsShown }), clock.now()))
    if (first === 'queue' && id === '') return ok(queuePage(await viewOf(), clock.now()))
    if (first === 'running' && id !== '' && third === undefined) return ofRunning(id)
    if (first === 'workers' && id === '') return ok(workersPage(await viewOf(), clock.now()))
    if (first === 'cache' && id === '') return ofCache()
    if (first === 'search') return found(query.get('q') ?? '')
    if (first === 'build' && id !== '') {
      const answer = await ofBuild.answer(await findBuild(history, id), { parts, query }, signal)
      if (answer) return answer
    }
    throw new Failure('not-found', 'there is no such page', { where: parts.join('/').slice(0, 200) })
  }

  async function viewOf() {
    if (scheduler) return await scheduler()
    throw new Failure('unavailable', 'this console was not told where the scheduler is, so it cannot say what waits', {
      next: [
        'Name it in the configuration of the console: scheduler: grpc://HOST:PORT. native status asks it as well.',
      ],
    })
  }

  async function ofRunning(hash: string): Promise<Answer> {
    return ok(runningPage(runningFacts(hash, await viewOf()), clock.now()))
  }

  function runningFacts(hash: string, view: SchedulerView | undefined): RunningFacts {
    const operation = view?.operations.find(({ action }) => action.hash === hash)
    // No other action is followed, so that made-up addresses lead nowhere.
    return { hash, operation, output: operation ? running?.of(hash) : running?.held(hash) }
  }

  async function ofCache(): Promise<Answer> {
    const [usage, met] = await Promise.all([cache?.(), metKept.of('', whatBuildsMet)])
    return ok(cachePage({ usage, ...met, answersOf }, clock.now()))
  }

  async function whatBuildsMet() {
    const [builds, answers] = await Promise.all([history.builds({ limit: cacheBuildsMax }), history.answers(answersOf)])
    return { builds, answers }
  }

  async function found(text: string): Promise<Answer> {
    const what = text.trim()
    const { build, subject } = await findSubject(history, what === '' ? undefined : what)
    if (subject.target === undefined && subject.hashPrefix === undefined) return redirect(buildPath(build.id))
    const actions = await history.actions({ build: build.id, ...subject, limit: foundMax })
    const [only, second] = actions
    if (only && !second) return redirect(actionPath(only))
    const title = `${what} in build ${shortId(build.id)}`
    const body = html`<h1>${title}</h1><p><a href="${buildPath(build.id)}">The build</a></p>${actionsTable('found', actions, title)}`
    return ok(page({ title, place: 'builds', search: what }, body))
  }

  /** For a queued or running action, which is followed for as long as somebody asks. */
  async function runningState(hash: string): Promise<string> {
    const view = await orNothing(viewOf(), 'unavailable')
    const { operation, output } = runningFacts(hash, view)
    const printed = output && [output.stdout, output.stderr].map(({ before, bytes }) => before + bytes.length)
    return JSON.stringify([operation, printed, output?.isComplete, output?.whyUnheard])
  }

  async function state({ parts: [first = '', id = ''], query }: Route): Promise<string> {
    if (first === 'running') return runningState(id)
    if (first === 'queue' || first === 'workers') return JSON.stringify(await orNothing(viewOf(), 'unavailable'))
    if (first === 'build') {
      const build = await orNothing(findBuild(history, id))
      if (!build) return ''
      const [now, isFinal] = [clock.now(), explanations.isFinal(build)]
      // Its last explanation is made once it has ended and been read; and the page has to learn that following ends.
      const ages = [hasEnded(build, now), now - build.lastSeen < quietMs, isLive({ build, isFinal }, now)]
      const late = ofBuild.lateCount(build, query.get('against') ?? '')
      return JSON.stringify([build, isFinal, late, ...ages])
    }
    if (first === 'cache') return String(metKept.revision(''))
    return String(history.revision())
  }

  return { answer, state }
}
