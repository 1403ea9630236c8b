import { createHash, randomBytes } from 'node:crypto'
import type { Clock } from '../core/clock.ts'
import { type Digest, digestText } from '../core/digest.ts'
import type { Span, SpanExporter } from '../telemetry/otlp.ts'
import { re } from '../wire/proto.ts'
import type { WireTime } from '../wire/time.ts'
import type { Caller, Ended, Recorder } from './recorder.ts'
import { checkTool } from './request-metadata.ts'

/** Makes a trace of each build from the executions reported to a recorder. */
export interface Traces {
  readonly recorder: Recorder
  /** Ends the open builds. */
  close(): void
}

/** A build is over when none of its actions has ended for this long: then its own span is sent. */
const quietMs = 30_000
const lookMs = 5_000
/** Builds open at once; of further ones the actions are traced without a span for the build itself. */
const buildsMax = 1_000

interface Build {
  readonly traceId: string
  readonly spanId: string
  readonly tool: string
  readonly invocation: string
  start: number
  end: number
  actions: number
  failed: number
  heardAt: number
}

/**
 * A trace is a build: its id is the client's invocation id if that is a UUID, like Bazel's, so that one can be found
 * from the other. Its actions are spans below the build's, and queue, fetch, run and upload below those.
 */
export function createTraces(exporter: Pick<SpanExporter, 'add'>, clock: Clock): Traces {
  const builds = new Map<string, Build>()
  let stop = clock.after(lookMs, look)

  function look(): void {
    for (const build of builds.values()) if (clock.now() - build.heardAt >= quietMs) end(build)
    stop = clock.after(lookMs, look)
  }

  function end(build: Build): void {
    builds.delete(build.invocation)
    const { traceId, spanId, tool, invocation, start, actions, failed } = build
    const attributes = { 'native.invocation': invocation, 'native.tool': tool, 'native.actions': actions }
    exporter.add({
      ...{ traceId, spanId, name: 'build', start, end: build.end },
      attributes: failed > 0 ? { ...attributes, 'native.failed_actions': failed } : attributes,
    })
  }

  function buildOf(invocation: string, tool: string, at: number): Build {
    const known = builds.get(invocation)
    if (known) return known
    // A new span for a client that goes on after a pause: span ids must be unique within a trace.
    const ids = { traceId: traceIdOf(invocation), spanId: newSpanId() }
    const build = { ...ids, tool, invocation, start: at, end: at, actions: 0, failed: 0, heardAt: at }
    if (builds.size < buildsMax) builds.set(invocation, build)
    return build
  }

  function execution({ metadata, instance }: Caller, action: Digest, ended: Ended): void {
    const client = clientOf(metadata)
    if (!client || client.tool === checkTool) return
    const now = clock.now()
    // The times of a cached result belong to another build.
    const times: Times = ended.cached ? {} : timesOf(ended)
    const start = Math.min(times.queued ?? now, now)
    const build = buildOf(client.invocation, client.tool, start)
    build.start = Math.min(build.start, start)
    build.end = Math.max(build.end, now)
    build.heardAt = now
    build.actions += 1
    const error = errorOf(ended)
    if (error !== undefined) build.failed += 1
    const span: Span = {
      traceId: build.traceId,
      spanId: newSpanId(),
      parentSpanId: build.spanId,
      name: client.mnemonic || 'action',
      start,
      end: now,
      attributes: {
        'native.action': digestText(action),
        'native.instance': instance,
        'native.target': client.target,
        'native.mnemonic': client.mnemonic,
        'native.worker': ended.metadata?.worker ?? '',
        'native.cached': ended.cached,
        'native.merged': ended.merged,
        'native.attempts': ended.attempts,
        'native.exit_code': ended.exitCode,
      },
      ...(error !== undefined && { error }),
    }
    exporter.add(span)
    for (const each of phasesOf(span, times)) exporter.add(each)
  }

  return {
    recorder: { lookup: ignore, update: ignore, traffic: ignore, repeat: ignore, execution },
    close() {
      stop()
      for (const build of [...builds.values()]) end(build)
    },
  }
}

const ignore = () => undefined

/** The phases of a run, below its action's span; those whose times the worker did not report are left out. */
function phasesOf(action: Span, times: Times): Span[] {
  const phases = [
    ['queue', times.queued, times.workerStart],
    ['fetch', times.fetchStart, times.fetchEnd],
    ['run', times.runStart, times.runEnd],
    ['upload', times.uploadStart, times.uploadEnd],
  ] as const
  return phases.flatMap(([name, start, end]) =>
    start === undefined || end === undefined || end < start
      ? []
      : [
          {
            traceId: action.traceId,
            spanId: newSpanId(),
            parentSpanId: action.spanId,
            name,
            start,
            end,
            attributes: {},
          },
        ],
  )
}

type Times = Partial<ReturnType<typeof timesOf>>

/** 2^63 nanoseconds, where many readers' int64 overflows: the year 2262. */
const msMax = 2 ** 63 / 1e6

/** An invalid time from a worker is not worth an error: it counts as unknown. */
function time(wire: WireTime | null | undefined): number | undefined {
  if (!wire) return undefined
  const ms = Number(wire.seconds ?? 0) * 1000 + (wire.nanos ?? 0) / 1e6
  return ms > 0 && ms < msMax ? ms : undefined
}

/** Milliseconds since 1970. */
function timesOf({ metadata }: Ended) {
  return {
    queued: time(metadata?.queuedTimestamp),
    workerStart: time(metadata?.workerStartTimestamp),
    fetchStart: time(metadata?.inputFetchStartTimestamp),
    fetchEnd: time(metadata?.inputFetchCompletedTimestamp),
    runStart: time(metadata?.executionStartTimestamp),
    runEnd: time(metadata?.executionCompletedTimestamp),
    uploadStart: time(metadata?.outputUploadStartTimestamp),
    uploadEnd: time(metadata?.outputUploadCompletedTimestamp),
  }
}

const textLengthMax = 1024

/** Undefined for a client that sends no metadata, or rubbish: its actions belong to no build. */
function clientOf(metadata: string | undefined) {
  if (metadata === undefined) return undefined
  try {
    const said = re.RequestMetadata.decode(Buffer.from(metadata, 'base64'))
    const bounded = (text: string | null | undefined) => (text ?? '').slice(0, textLengthMax)
    const invocation = bounded(said.toolInvocationId)
    if (invocation === '') return undefined
    const [target, mnemonic] = [bounded(said.targetId), bounded(said.actionMnemonic)]
    return { invocation, target, mnemonic, tool: bounded(said.toolDetails?.toolName) }
  } catch {
    // Malformed client metadata is not an error here.
    return undefined
  }
}

function errorOf({ status, message, exitCode }: Ended): string | undefined {
  if (status !== 0) return message.slice(0, textLengthMax) || `status ${status}`
  return exitCode === 0 ? undefined : `exit code ${exitCode}`
}

/** The hex digits of a UUID; for any other name, its hash. */
export function traceIdOf(invocation: string): string {
  const digits = invocation.replaceAll('-', '').toLowerCase()
  if (/^[0-9a-f]{32}$/.test(digits) && !/^0+$/.test(digits)) return digits
  return createHash('sha256').update(invocation).digest('hex').slice(0, 32)
}

function newSpanId(): string {
  return randomBytes(8).toString('hex')
}
