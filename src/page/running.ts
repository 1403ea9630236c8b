import type { OperationView, RunningOutput, RunningText } from '../core/scheduler-view.ts'
import { page } from './frame.ts'
import { type Html, html } from './html.ts'
import { textMarkup } from './printed.ts'
import { numberText, shortHash, since } from './words.ts'

/** A queued or running action, whoever requested it. */
export interface RunningFacts {
  readonly hash: string
  /** Undefined if it is neither. */
  readonly operation: OperationView | undefined
  /** Undefined if nothing is held of it. */
  readonly output: RunningOutput | undefined
}

/** The output of a running action, and for a while afterwards. @param now milliseconds since 1970 */
export function runningPage({ hash, operation, output }: RunningFacts, now: number): string {
  const title = operation ? operationTitle(operation) : 'An action that has ended'
  // The end is reported separately from the last lines, which may arrive later.
  const goesOn = operation !== undefined || (output && !output.isComplete && output.whyUnheard === undefined)
  return page(
    { title, place: 'queue', live: goesOn === true },
    html`<h1>${title}</h1>
<p class="soft">${operation ? html`It ${operation.why}, since ${since(operation.createdAt, now)}.` : 'It neither waits nor runs any more.'}
<a href="/search?q=${hash}">What is known of ${shortHash(hash)}</a></p>
${runningMarkup(operation !== undefined, output)}`,
  )
}

/** Can be collapsed and expanded by keyboard, and stays so. @param isInFlight it is queued or running */
export function runningMarkup(isInFlight: boolean, output: RunningOutput | undefined): Html {
  const streams = (['stdout', 'stderr'] as const).flatMap((name) => {
    const text = output?.[name]
    return text && text.before + text.bytes.length > 0 ? [{ name, ...text }] : []
  })
  const note = noteOf(isInFlight, output, streams.length === 0)
  return html`<details id="running" open><summary>${isInFlight ? 'What it prints' : 'What it printed'}</summary>
${streams.map(({ name, ...text }) => html`<h3>${name}</h3>${streamMarkup(text)}`)}
${note && html`<p class="soft">${note}</p>`}</details>`
}

function streamMarkup({ bytes, before }: RunningText): Html {
  if (bytes.length === 0)
    return html`<p class="soft">The ${numberText(before)} bytes so far are left out, until another line begins.</p>`
  return html`${before > 0 ? html`<p class="soft">The ${numberText(before)} bytes before this are left out.</p>` : undefined}
${textMarkup(bytes)}`
}

/** A note beside the text: that there is none, and why, or that it is incomplete. */
function noteOf(isInFlight: boolean, output: RunningOutput | undefined, isEmpty: boolean): string | undefined {
  if (!output) return isInFlight ? 'It is not followed here.' : 'It is not kept here any more.'
  const { isComplete, whyUnheard } = output
  if (isComplete) return isEmpty ? 'It printed nothing.' : undefined
  if (whyUnheard !== undefined) return `${isEmpty ? 'Not known.' : 'What follows is not known.'} ${whyUnheard}`
  if (isInFlight) return isEmpty ? 'Nothing yet.' : undefined
  return isEmpty ? 'Nothing has been heard of it.' : 'Its end has not been heard yet.'
}

export function operationTitle({ target, mnemonic }: OperationView): string {
  return [target, mnemonic].filter(Boolean).join(' ') || 'unnamed action'
}
