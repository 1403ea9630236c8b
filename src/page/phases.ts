import type { ActionRecord, ActionTimes } from '../core/build-history.ts'
import { spanText } from '../core/units.ts'
import { type Html, html } from './html.ts'

/** The phases of an action, in order. */
export const phases = [
  { name: 'queue', title: 'waiting for a worker', from: 'queued', to: 'workerStart' },
  { name: 'fetch', title: 'fetching inputs', from: 'inputStart', to: 'inputEnd' },
  { name: 'run', title: 'running', from: 'runStart', to: 'runEnd' },
  { name: 'upload', title: 'uploading outputs', from: 'outputStart', to: 'outputEnd' },
] as const satisfies readonly { name: string; title: string; from: keyof ActionTimes; to: keyof ActionTimes }[]
export type Phase = (typeof phases)[number]

/** Milliseconds of a phase; 0 if unknown. */
export function lengthOf({ from, to }: Phase, times: ActionTimes): number {
  const [began, ended] = [times[from], times[to]]
  return began === undefined || ended === undefined ? 0 : Math.max(0, ended - began)
}

/** How long something was done, in milliseconds. */
export interface Length {
  readonly name: string
  readonly title: string
  readonly ms: number
}

/** Of all actions together. */
export function sumsOf(actions: readonly Pick<ActionRecord, 'times'>[]): Length[] {
  return phases.map((phase) => ({
    ...phase,
    ms: actions.reduce((sum, { times }) => sum + lengthOf(phase, times), 0),
  }))
}

/** A bar of where the time of actions went, and the same in words. */
export function phaseBar(actions: readonly Pick<ActionRecord, 'times'>[]): Html {
  return bar(sumsOf(actions))
}

/** Lengths beside each other, and the same in words. */
export function bar(lengths: readonly Length[]): Html {
  const all = lengths.reduce((sum, { ms }) => sum + ms, 0)
  if (all === 0) return html`<p class="soft">No worker ran any of these actions, so no times are known.</p>`
  const share = (ms: number) => `${((100 * ms) / all).toFixed(1)}%`
  return html`<svg class="bar" viewBox="0 0 1000 14" preserveAspectRatio="none" aria-hidden="true">${bars(lengths, all)}</svg>
<p class="legend">${lengths.map(({ name, title, ms }) => html`<span><i class="${name}"></i>${title} ${spanText(ms)} (${share(ms)})</span> `)}</p>`
}

function bars(lengths: readonly Length[], all: number): Html[] {
  let at = 0
  return lengths.map(({ name, ms }) => {
    const [x, width] = [(1000 * at) / all, (1000 * ms) / all]
    at += ms
    return html`<rect class="${name}" x="${x.toFixed(2)}" y="0" width="${width.toFixed(2)}" height="14"/>`
  })
}
