import { type LogRecord, type TargetState, type TestStatus, testStatuses } from '../../core/invocation.ts'
import { hiddenText, shownArgument, shownValue } from '../../explain/secrets.ts'
import { bep } from '../../wire/proto.ts'
import { momentOf, spanOf } from './times.ts'

/** One thing that a Bazel event reports: bounded, and without apparent secrets. */
export type Told =
  | {
      readonly kind: 'started'
      readonly at: number
      readonly command: string
      readonly workspace: string
      readonly toolVersion: string
    }
  | { readonly kind: 'patterns'; readonly patterns: readonly string[] }
  | { readonly kind: 'options'; readonly options: readonly string[]; readonly all: readonly string[] }
  | { readonly kind: 'output'; readonly text: string }
  | ToldTarget
  | { readonly kind: 'test'; readonly label: string; readonly status: TestStatus }
  | ToldAttempt
  | ToldFailure
  | { readonly kind: 'profile'; readonly uri: string }
  | { readonly kind: 'timing'; readonly wallMs: number; readonly cpuMs: number }
  | ToldEnd

export interface ToldTarget {
  readonly kind: 'target'
  readonly label: string
  readonly aspect: string
  /** Empty if this event does not say. */
  readonly rule: string
  readonly state: TargetState
  readonly message: string
}

export interface ToldAttempt {
  readonly kind: 'attempt'
  readonly label: string
  readonly run: number
  readonly shard: number
  readonly attempt: number
  readonly status: TestStatus
  readonly ms: number | undefined
  readonly cached: boolean
  readonly details: string
  readonly logs: readonly LogRecord[]
}

export interface ToldFailure {
  readonly kind: 'failure'
  readonly label: string
  readonly mnemonic: string
  readonly output: string
  readonly message: string
  readonly logs: readonly LogRecord[]
}

export interface ToldEnd {
  readonly kind: 'finished'
  readonly at: number
  /** Absent if the tool was interrupted. */
  readonly exit: { readonly code: number; readonly name: string } | undefined
  readonly message: string
}

const nameCharactersMax = 1_000
const messageCharactersMax = 4_000
const optionCharactersMax = 4_000
const optionsMax = 2_000
/** How much of a text is searched for secrets: more than is kept, so that a secret cut at the end is not shown. */
const readCharactersMax = 64 * 1024
const patternsMax = 100
const logsMax = 20

/**
 * What an event reports, if it is something to keep.
 * @param at when it happened, in whole milliseconds since 1970, for events that do not say
 */
export function toldBy(event: bep.BuildEvent, at: number): Told | undefined {
  const { id, started, optionsParsed, progress, finished, aborted, buildMetrics } = event
  if (started) {
    return {
      kind: 'started',
      at: momentOf(started.startTime, started.startTimeMillis) ?? at,
      command: name(started.command),
      workspace: name(started.workspaceDirectory || started.workingDirectory),
      toolVersion: name(started.buildToolVersion),
    }
  }
  if (optionsParsed)
    return {
      kind: 'options',
      options: optionsOf(optionsParsed.explicitStartupOptions, optionsParsed.explicitCmdLine),
      all: optionsOf(optionsParsed.startupOptions, optionsParsed.cmdLine),
    }
  if (progress) return { kind: 'output', text: (progress.stderr ?? '') + (progress.stdout ?? '') }
  if (finished)
    return {
      kind: 'finished',
      at: momentOf(finished.finishTime, finished.finishTimeMillis) ?? at,
      exit: {
        code: finished.exitCode?.code ?? (finished.overallSuccess ? 0 : 1),
        name: name(finished.exitCode?.name),
      },
      message: message(finished.failureDetail?.message),
    }
  if (buildMetrics) {
    const { wallTimeInMs = 0, cpuTimeInMs = 0 } = buildMetrics.timingMetrics ?? {}
    return { kind: 'timing', wallMs: spanOf(undefined, wallTimeInMs) ?? 0, cpuMs: spanOf(undefined, cpuTimeInMs) ?? 0 }
  }
  if (event.expanded)
    return { kind: 'patterns', patterns: (id?.pattern?.pattern ?? []).slice(0, patternsMax).map(name) }
  if (event.buildToolLogs) return profileOf(event.buildToolLogs)
  if (id?.buildFinished && aborted)
    return { kind: 'finished', at, exit: undefined, message: message(aborted.description) }
  return targetOf(event) ?? testOf(event) ?? failureOf(event)
}

function profileOf({ log }: bep.BuildToolLogs.$Properties): Told | undefined {
  const uri = logsOf(log).find((each) => /profile/.test(each.name))?.uri
  return uri === undefined ? undefined : { kind: 'profile', uri }
}

function targetOf({ id, configured, completed, aborted }: bep.BuildEvent): ToldTarget | undefined {
  const about = id?.targetCompleted ?? id?.targetConfigured
  if (!about) return undefined
  const base = { kind: 'target', label: name(about.label), aspect: name(about.aspect), rule: '', message: '' } as const
  if (configured) return { ...base, rule: name(configured.targetKind), state: 'configured' }
  if (completed) {
    const state = completed.success ? 'built' : 'failed'
    return { ...base, state, message: message(completed.failureDetail?.message) }
  }
  if (!aborted) return undefined
  return { ...base, state: stateAfter(aborted.reason), message: message(aborted.description) }
}

/** A target that was not built because something else ended the build has not itself failed. */
function stateAfter(reason: bep.Aborted.AbortReason | null | undefined): TargetState {
  const { LOADING_FAILURE, ANALYSIS_FAILURE, REMOTE_ENVIRONMENT_FAILURE } = bep.Aborted.AbortReason
  const own = reason === LOADING_FAILURE || reason === ANALYSIS_FAILURE || reason === REMOTE_ENVIRONMENT_FAILURE
  return own ? 'failed' : 'skipped'
}

function testOf({ id, testResult, testSummary }: bep.BuildEvent): Told | undefined {
  if (testSummary)
    return { kind: 'test', label: name(id?.testSummary?.label), status: statusOf(testSummary.overallStatus) }
  if (!testResult || !id?.testResult) return undefined
  const { run = 0, shard = 0, attempt = 0 } = id.testResult
  const { testAttemptDuration: span, testAttemptDurationMillis } = testResult
  return {
    kind: 'attempt',
    label: name(id.testResult.label),
    run: run ?? 0,
    shard: shard ?? 0,
    attempt: attempt ?? 0,
    status: statusOf(testResult.status),
    ms: spanOf(span, testAttemptDurationMillis),
    cached: testResult.cachedLocally === true || testResult.executionInfo?.cachedRemotely === true,
    details: message(testResult.statusDetails),
    logs: logsOf(testResult.testActionOutput),
  }
}

function failureOf({ id, action }: bep.BuildEvent): ToldFailure | undefined {
  if (!action || action.success) return undefined
  // For a failed build its exit_code is Bazel's own, not that of the process.
  const { stdout, stderr, type, failureDetail } = action
  const about = id?.actionCompleted
  return {
    kind: 'failure',
    label: name(about?.label),
    mnemonic: name(type),
    output: name(about?.primaryOutput),
    message: message(failureDetail?.message),
    logs: logsOf([stdout, stderr].filter((each) => each !== null && each !== undefined)),
  }
}

function statusOf(status: bep.TestStatus | null | undefined): TestStatus {
  return testStatuses[status ?? 0] ?? 'unknown'
}

/** Contents inlined in the event are left out: only short, uninteresting ones are. */
function logsOf(files: readonly bep.File.$Properties[] | null | undefined): LogRecord[] {
  const named = (files ?? []).filter(({ uri }) => typeof uri === 'string' && uri !== '')
  return named.slice(0, logsMax).map((each) => ({ name: name(each.name), uri: shownName(each.uri) }))
}

function optionsOf(startup: readonly string[] | null | undefined, command: readonly string[] | null | undefined) {
  const some = [...(startup ?? []), ...(command ?? [])].slice(0, optionsMax)
  return some.map((each, at) => cut(each, (option) => shownOption(option, some[at - 1]), optionCharactersMax))
}

/** --remote_header=NAME=VALUE and the like carry credentials, whatever the header's name. */
const headerOption = /^(--\w*header=[^=]*=)./s

function shownOption(option: string, before: string | undefined): string {
  const [, header] = headerOption.exec(option) ?? []
  return header === undefined ? shownArgument(option, before) : `${header}${hiddenText}`
}

function name(text: string | null | undefined): string {
  return (text ?? '').slice(0, nameCharactersMax)
}

/** A name that may contain a secret, such as a URL with a password. */
function shownName(text: string | null | undefined): string {
  return cut(text ?? '', (whole) => shownValue('', whole), nameCharactersMax)
}

function message(text: string | null | undefined): string {
  return cut(text ?? '', (whole) => shownValue('', whole), messageCharactersMax)
}

/** Hides secrets, then truncates: a truncated secret, or one that lost its name or end, would not be recognised. */
function cut(text: string, hide: (text: string) => string, charactersMax: number): string {
  return hide(text.slice(0, readCharactersMax)).slice(0, charactersMax)
}
