import type { ActionRecord, BuildRecord } from '../core/build-history.ts'
import { spanText } from '../core/units.ts'
import { type Html, html } from './html.ts'

/** Enough of a digest to tell those of a build apart. */
const shownDigits = 8

/** `2,014` */
export function numberText(value: number): string {
  return value.toLocaleString('en-US')
}

/** A moment as people say it; the exact one on hover. @param now milliseconds since 1970 */
export function moment(at: number, now: number): Html {
  const exact = new Date(at).toISOString()
  return html`<time datetime="${exact}" title="${exact}">${spanText(Math.max(0, now - at))} ago</time>`
}

/** How long something has lasted; when it began on hover. @param now milliseconds since 1970 */
export function since(at: number, now: number): Html {
  const exact = new Date(at).toISOString()
  return html`<time datetime="${exact}" title="since ${exact}" data-for>${spanText(Math.max(0, now - at))}</time>`
}

/** The beginning of a build's id; all of a name that was made here. */
export function shortId(id: string): string {
  return id.startsWith('unnamed-') ? id : id.slice(0, shownDigits)
}

/** A digest by its beginning, and whole on hover. */
export function shortHash(hash: string): Html {
  return html`<span class="mono" title="${hash}" data-whole>${hash.slice(0, shownDigits)}</span>`
}

/** The client that built, and its release. */
export function toolText({ tool, toolVersion }: BuildRecord): string {
  return [tool, toolVersion].filter(Boolean).join(' ') || 'unknown client'
}

/** Where a build's page is. */
export function buildPath(id: string): string {
  return `/build/${encodeURIComponent(id)}`
}

/** Where an action's page is. */
export function actionPath({ build, digest }: Pick<ActionRecord, 'build' | 'digest'>): string {
  return `${buildPath(build)}/action/${digest.hash}`
}

/** An action by what it is for; by its output or digest where its client says nothing. */
export function actionTitle({ target, mnemonic, firstOutput, digest }: ActionRecord): string {
  return [target, mnemonic].filter(Boolean).join(' ') || firstOutput || `action ${digest.hash.slice(0, shownDigits)}`
}

const outcomeTexts = {
  hit: 'cached',
  missed: 'not cached',
  executed: 'executed',
  local: 'run by the client',
  failed: 'failed',
} as const

/** What became of an action. */
export function outcomeText({ outcome, exitCode, status }: ActionRecord): string {
  if (outcome !== 'failed') return outcomeTexts[outcome]
  return status === 0 ? `failed, exit code ${exitCode}` : `failed, status ${status}`
}
