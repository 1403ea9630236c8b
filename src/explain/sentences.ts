import { tookMs } from '../core/build-history.ts'
import { countText } from '../core/count-text.ts'
import { printable } from '../core/printable.ts'
import { spanText } from '../core/units.ts'
import type { Explanation } from './build.ts'
import { type Cause, type CauseKind, type CauseOfMany, firstLink } from './cause.ts'

const texts: Readonly<Record<CauseKind, (cause: Cause) => string>> = {
  input: ({ subject, one, other }) => {
    const path = subject || 'the input root'
    if (one === null) return `input ${path} is new`
    return other === null ? `input ${path} is gone` : `input ${path} changed`
  },
  argument: ({ one, other }) => {
    if (one === null) return `argument ${other} is new`
    if (other === null) return `argument ${one} is gone`
    const [before, now] = aroundDifference(one, other)
    return `argument ${before} became ${now}`
  },
  variable: ({ subject, one, other }) => `variable ${subject} ${change(one, other)}`,
  property: ({ subject, one, other }) => `platform property ${subject} ${change(one, other)}`,
  field: ({ subject, one, other }) => `${subject} ${change(one, other)}`,
  output: ({ one, other }) => {
    if (one === null) return `output path ${other} is new`
    return other === null ? `output path ${one} is gone` : `output path ${one} became ${other}`
  },
  'not-repeatable': ({ subject }) => `input ${subject} changed, although the same action made it as before`,
  'inputs-unknown': () => 'inputs changed; which ones is not known, because the input trees are not in the cache',
  'command-unknown': () => 'the command changed; how is not known, because it is not in the cache',
  encoding: () => 'the action is the same, but encoded differently',
  'never-seen': ({ subject }) => (subject ? `not part of build ${subject}` : 'never seen before'),
  evicted: () => 'the result was evicted',
  incomplete: () => 'the result was there, but one of its outputs was not',
  gone: () => 'it ran before, but its result is no longer in the cache',
  'failed-before': () => 'it failed before, and results of failed actions are not cached',
  'not-cacheable': () => 'the client says that the result is not to be cached (do_not_cache)',
  'not-asked': () => 'the cache was not asked',
  unauthorized: () => 'the client may not read from the cache',
  'other-instance': ({ one, other }) => `it ran before for instance ${quoted(one)}, and now for ${quoted(other)}`,
  'other-function': ({ one, other }) => `it was named by ${one} before, and now by ${other}`,
  'not-uploaded': () => 'not known: the action itself was not uploaded, only its digest is known',
}

const advice: Readonly<Partial<Record<CauseKind, (cause: Cause) => string>>> = {
  variable: ({ subject }) =>
    subject === 'PATH' || subject === 'LD_LIBRARY_PATH'
      ? 'With --incompatible_strict_action_env, Bazel does not take it from your shell.'
      : 'If it does not matter to the result, keep it out of the action: see --action_env and --incompatible_strict_action_env of Bazel.',
  'inputs-unknown': () =>
    'With a cache alone, Bazel uploads no input trees; with --remote_executor they are there, and this is known.',
  evicted: () => 'The cache is too small for what your builds need: native deploy --cache-size SIZE makes it larger.',
  incomplete: () =>
    'The cache is too small for what your builds need: native deploy --cache-size SIZE makes it larger.',
  'not-cacheable': () => 'Look for the tags no-cache, no-remote-cache, external or local of the target.',
  'not-asked': () => 'Look for --noremote_accept_cached, or `native exec --fresh`.',
  'not-uploaded': () => 'With --remote_upload_local_results, Bazel uploads actions that it runs itself.',
  'not-repeatable': () =>
    'That action is not repeatable: look for times, random numbers or file order in what it makes.',
  'other-function': () => 'Let all clients use one --digest_function.',
  'other-instance': () =>
    'If each has a cache of its own, let all clients use one --remote_instance_name. If both are names of one cache, its result is no longer there.',
}

/** Arguments up to this length are shown whole beside each other. */
const argumentLengthMax = 60
/** Of longer ones, so much before the difference and from it on. */
const [shownBefore, shownFrom] = [20, 20]

/** Does the sentence about a cause leave out parts of its arguments? */
export function isCutShort({ kind, one, other }: Cause): boolean {
  return kind === 'argument' && one !== null && other !== null && areLong(one, other)
}

function areLong(one: string, other: string): boolean {
  return Math.max(one.length, other.length) > argumentLengthMax
}

/** Two texts, of which long ones are cut down to where they begin to differ: a shell's command line is one argument. */
function aroundDifference(one: string, other: string): readonly [string, string] {
  if (!areLong(one, other)) return [one, other]
  let at = 0
  while (at < one.length && one[at] === other[at]) at += 1
  const from = Math.max(0, at - shownBefore)
  const cut = (text: string) =>
    `${from > 0 ? '…' : ''}${text.slice(from, at + shownFrom)}${at + shownFrom < text.length ? '…' : ''}`
  return [cut(one), cut(other)]
}

/** A cause in words, without a full stop. */
export function causeText(cause: Cause): string {
  return printable(texts[cause.kind](cause), 400)
}

/** What to do about it; undefined if that depends. */
export function adviceText(cause: Cause): string | undefined {
  return advice[cause.kind]?.(cause)
}

const shownLinksMax = 4

/**
 * The actions through which a cause reached an action that missed, and how many others it affected directly, in
 * sentences; empty if it affected that one directly.
 */
export function chainText(cause: Pick<CauseOfMany, 'kind' | 'chain' | 'subject' | 'direct'>): string {
  const { chain, subject } = cause
  const [first] = chain
  if (!first) return ''
  const made = chain.slice(0, shownLinksMax).map((link) => `${printable(link.path)}, which ${actionName(link)} makes`)
  const more = chain.length > shownLinksMax ? [`${chain.length - shownLinksMax} more`] : []
  const began = first.path === subject ? 'It is an output: ' : 'It came by way of '
  const others = othersText(cause)
  const also = isOfInput(cause) ? `${others} read ${printable(subject)}` : `The same is true of ${others}`
  return `${began}${[...made, ...more].join('; ')}.${others && ` ${also}.`}`
}

function isOfInput({ kind }: Pick<Cause, 'kind'>): boolean {
  return kind === 'input' || kind === 'not-repeatable'
}

/** Where the chain names one action of several that have the cause themselves: the others; else empty. */
function othersText(cause: Pick<CauseOfMany, 'chain' | 'subject' | 'direct'>): string {
  return firstLink(cause) && cause.direct > 1 ? countText(cause.direct - 1, 'more action') : ''
}

/**
 * `2,014 actions in 48 s: 1,702 cached (84.5 %), 312 not cached.`, and the main cause.
 * @param isPart not the whole build was explained, but a target, an action or an output
 */
export function summaryText(
  { build, actions, hits, causes, unread, cut }: Explanation,
  { isPart = false }: { readonly isPart?: boolean } = {},
): string {
  const missed = actions - hits
  const counted = isPart
    ? `${number(actions)} of the ${countText(build.actions, 'action')} of this build`
    : `${countText(actions, 'action')} in ${spanText(tookMs(build))}`
  const share = actions === 0 ? '' : ` (${((100 * hits) / actions).toFixed(1).replace(/\.0$/, '')} %)`
  const first = `${counted}: ${number(hits)} cached${share}, ${number(missed)} not cached.`
  const lost = build.dropped > 0 ? ' Some of what happened was not recorded.' : ''
  const blind =
    unread > 0 ? ` ${countText(unread, 'action')} could not be looked at, not having been read from the cache yet.` : ''
  const beyond = cut > 0 ? ` ${number(cut)} more actions were not looked at.` : ''
  return `${first}${lost}${blind}${beyond}${leading(causes, missed)}`
}

function leading(causes: readonly CauseOfMany[], missed: number): string {
  const [worst] = causes
  if (!worst || missed < 2) return ''
  const all = worst.actions === missed
  const which = all ? `all ${number(missed)}` : `${number(worst.actions)} of the ${number(missed)}`
  return ` One cause explains ${which}: ${causeText(worst)}${madeBy(worst)}.`
}

/** Which action made the change, if it came from another one. */
function madeBy(cause: CauseOfMany): string {
  const { kind, chain, subject } = cause
  const [first] = chain
  if (!first) return ''
  if (first.path === subject) return ` (made by ${actionName(first)})`
  const others = othersText(cause)
  const all = `${actionName(first)}${others && ` and ${others}`}`
  return kind === 'input' ? ` (read by ${all})` : ` (of ${all})`
}

/** `//app:lib CppCompile`, or whatever is known of an action. */
export function actionName(action: { target: string; mnemonic: string; output?: string; action: string }): string {
  const name = [action.target, action.mnemonic].filter(Boolean).join(' ')
  return printable(name || action.output || `action ${action.action.slice(0, 8)}`)
}

function change(one: string | null, other: string | null): string {
  if (one === null) return 'is new'
  return other === null ? 'is gone' : 'differs'
}

function number(value: number): string {
  return value.toLocaleString('en-US')
}

function quoted(text: string | null): string {
  return JSON.stringify(text ?? '')
}
