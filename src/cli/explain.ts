import type { BuildHistory, BuildRecord } from '../core/build-history.ts'
import { countText } from '../core/count-text.ts'
import type { DifferentAction } from '../core/output-difference.ts'
import { printable } from '../core/printable.ts'
import { spanText } from '../core/units.ts'
import type { Explanation, Subject } from '../explain/build.ts'
import type { CauseOfMany } from '../explain/cause.ts'
import { findEarlier, findSubject } from '../explain/find.ts'
import { actionName, adviceText, causeText, chainText, isCutShort, summaryText } from '../explain/sentences.ts'
import type { Channel } from '../wire/rpc.ts'
import { askToExplain } from './explain-call.ts'
import { pathInTree } from './path-in-tree.ts'
import { differentText } from './repeat/text.ts'
import { wrapped } from './wrap.ts'

/** The arguments of `native explain`. */
export interface ExplainRequest {
  /** A build, a target, an action or an output; the last build if absent. */
  readonly what?: string
  /** The only build to compare with: its id, or the beginning of it. */
  readonly against?: string
  /** Where an output's path is looked up. */
  readonly folder: string
  readonly signal: AbortSignal
}

export interface Explained {
  readonly explanation: Explanation
  /** Is it about a target, an action or an output, and not about the whole build? */
  readonly isPart: boolean
  /** Those of the same actions that differed when the scheduler ran them a second time. */
  readonly notRepeatable: readonly DifferentAction[]
}

const repeatsMax = 100

/**
 * Asks a console why actions were not in the cache.
 * @throws Failure 'not-found' for what was not built recently; RpcError of a call
 */
export async function explainFrom(
  history: BuildHistory,
  channel: Channel,
  request: ExplainRequest,
): Promise<Explained> {
  const what = request.what && (await pathInTree(request.what, request.folder))
  const found = await findSubject(history, what)
  const against = request.against === undefined ? undefined : await findEarlier(history, request.against, found.build)
  const explanation = await askToExplain(channel, found, against, request.signal)
  const differ = (found.build.repeats?.different ?? 0) > 0
  const repeats = differ ? await history.repeats(found.build.id, repeatsMax) : []
  const isPart = Object.keys(found.subject).length > 0
  return { explanation, isPart, notRepeatable: repeats.filter((each) => isAbout(each, found.subject)) }
}

/** Is it one of the requested actions? */
function isAbout({ target, action }: DifferentAction, { target: wanted, hashPrefix }: Subject): boolean {
  return (wanted === undefined || target === wanted) && (hashPrefix === undefined || action.startsWith(hashPrefix))
}

/** The same as a JSON value, see docs/json.md. */
export function explainedJson({ explanation, notRepeatable }: Explained): object {
  return { ...explanation, ...(notRepeatable.length > 0 && { notRepeatable }) }
}

/** An explanation for people. */
export function explanationText(
  { explanation, isPart, notRepeatable }: Explained,
  columns: number,
  now: number,
): string {
  const { build, causes, more } = explanation
  const tool = printable([build.tool, build.toolVersion].filter(Boolean).join(' '))
  const title = `Build ${printable(build.id)}${tool && ` (${tool})`}, ${spanText(now - build.lastSeen)} ago`
  return [
    [title, wrapped(summaryText(explanation, { isPart }), columns)].join('\n'),
    ...causes.map((each) => causeBlock(each, columns, now)),
    ...(more.causes > 0 ? [`${more.causes} more causes, of ${more.actions} actions.`] : []),
    ...repeatsBlocks(build, notRepeatable, columns),
  ].join('\n\n')
}

function repeatsBlocks({ repeats }: BuildRecord, differ: readonly DifferentAction[], columns: number): string[] {
  if (!repeats || differ.length === 0) return []
  const run = `${countText(repeats.run, 'action')} of this build ${repeats.run === 1 ? 'was' : 'were'} run a second time`
  const title = `${run}, of which ${repeats.different} made something else:`
  return [wrapped(title, columns), ...differ.map((each) => differentText(each, columns))]
}

function causeBlock(cause: CauseOfMany, columns: number, now: number): string {
  const { actions, seconds, one, other, against } = cause
  const took = seconds > 0 ? `, ${spanText(seconds * 1000)}` : ''
  const title = `${countText(actions, 'action')}${took}: ${causeText(cause)}`
  const chain = chainText(cause)
  const sides = hasSides(cause)
    ? [...(one === null ? [] : [`- ${printable(one)}`]), ...(other === null ? [] : [`+ ${printable(other)}`])]
    : []
  const evicted = evictedText(cause)
  const advice = adviceText(cause)
  const notes = [
    ...(chain ? [chain] : []),
    ...(evicted ? [evicted] : []),
    `For example: ${cause.examples.map(actionName).join(', ')}.`,
    ...(against ? [`Compared with build ${printable(against.build)}, ${spanText(now - against.seen)} ago.`] : []),
    ...allDifferences(cause),
    ...(cause.notAlone > 0
      ? [
          `${cause.notAlone === actions ? 'Other things' : `In ${cause.notAlone} of them, other things`} differ as well.`,
        ]
      : []),
    ...(advice ? [advice] : []),
  ]
  return [
    wrapped(title, columns),
    ...sides.map((each) => `  ${each}`),
    ...notes.map((each) => `  ${wrapped(each, columns - 2, '  ')}`),
  ].join('\n')
}

/** How to see more of the first example than this cause, if it was compared with another action. */
function allDifferences({ examples: [first] }: CauseOfMany): string[] {
  if (!first?.against || first.against === first.action) return []
  return [`All differences of the first: native diff ${first.against.slice(0, 8)} ${first.action.slice(0, 8)}`]
}

/** For an argument, its own sentence already states both sides, unless they are too long for it. */
function hasSides(cause: CauseOfMany): boolean {
  const { kind } = cause
  if (kind === 'argument') return isCutShort(cause)
  return kind === 'variable' || kind === 'property' || kind === 'field' || kind === 'input' || kind === 'not-repeatable'
}

function evictedText({ evictedMs, kind }: CauseOfMany): string | undefined {
  if (!evictedMs) return undefined
  const { least, most } = evictedMs
  const span = least === most ? spanText(least) : `${spanText(least)} to ${spanText(most)}`
  return `${kind === 'evicted' ? 'Evicted' : 'The output was evicted'} ${span} before it was asked for.`
}
