import { stripVTControlCharacters, styleText } from 'node:util'
import { Failure, type FailureKind } from '../core/failure.ts'
import { printableLines } from '../core/printable.ts'
import { systemFailure } from '../host/system-errors.ts'
import { RpcError } from '../wire/rpc.ts'
import { toFailure } from '../wire/status.ts'
import { exitCodes } from './exit.ts'
import { columnsFor } from './terminal.ts'
import { wrapped } from './wrap.ts'

/** An error as shown to people and scripts. */
export interface ShownFailure {
  readonly kind: FailureKind
  readonly message: string
  readonly where: string | null
  readonly next: readonly string[]
  readonly output: string | null
  /** Stack traces of the error and its causes, for --debug. */
  readonly stack: string
}

/** The one place where anything that was thrown becomes words. */
export function shownFailure(error: unknown): ShownFailure {
  const failure = asFailure(error)
  const isOurs = failure.kind === 'internal' && failure.next.length === 0
  return {
    kind: failure.kind,
    message: printableLines(failure.message),
    where: failure.where === undefined ? null : printableLines(failure.where),
    next: isOurs ? [reportBug] : failure.next.map(printableLines),
    output: failure.output === undefined ? null : printableLines(stripVTControlCharacters(failure.output)),
    stack: stacksOf(error),
  }
}

const reportBug = 'This is a bug in `native`: please report it, with the output of --debug.'

/** The exit code for it. */
export function exitCodeOf(shown: ShownFailure): number {
  return exitCodes[shown.kind]
}

/** `{"error": {kind, message, where, next}}`: what --json prints for a failure. */
export function failureJson({ kind, message, where, next }: ShownFailure): object {
  return { error: { kind, message, where, next } }
}

export interface TextOptions {
  readonly debug: boolean
  /** The stream that it is written to: styleText checks it, and NO_COLOR, to decide on colours. */
  readonly stream: NodeJS.WriteStream
}

/** Message, place, the called program's output, what to do next; the stack trace only with debug. */
export function failureText(shown: ShownFailure, { debug, stream }: TextOptions): string {
  const red = styleText(['bold', 'red'], 'error', { stream })
  const fitting = (text: string, indent = '  ') => wrapped(text, columnsFor(stream), indent)
  return [
    fitting(`${red}: ${shown.message}`),
    ...(shown.where === null ? [] : [`  at ${shown.where}`]),
    ...(shown.output ? indented(shown.output) : []),
    ...shown.next.map((each) => fitting(`${styleText('dim', '→', { stream })} ${each}`, '    ').replace(/^/, '  ')),
    ...(debug ? indented(shown.stack) : []),
    '',
  ].join('\n')
}

function indented(text: string): string[] {
  return text.split('\n').map((line) => `  | ${line}`)
}

function asFailure(error: unknown): Failure {
  if (error instanceof Failure) return error
  if (error instanceof RpcError) return toFailure(error)
  if (error instanceof Error && error.name === 'AbortError')
    return new Failure('cancelled', 'interrupted', { cause: error })
  const usage = usageOf(error)
  if (usage !== undefined) return new Failure('invalid', usage, { next: [seeHelp], cause: error })
  if (error instanceof Error && isOfPlace(error)) {
    const failure = systemFailure(error, {})
    if (failure instanceof Failure) return failure
  }
  return new Failure('internal', error instanceof Error ? error.message : String(error), { cause: error })
}

const seeHelp = 'See `native --help`, or add --help to a command.'

/** An error of a system call is about a path on this machine; that of a program that could not be started is not. */
function isOfPlace(error: NodeJS.ErrnoException): boolean {
  return error.syscall !== undefined && !error.syscall.startsWith('spawn')
}

/** oclif marks usage errors (an unknown command, a flag without its value) with exit code 2. */
function usageOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('oclif' in error)) return undefined
  const { oclif } = error
  const marked = typeof oclif === 'object' && oclif !== null && 'exit' in oclif && oclif.exit === 2
  if (!marked) return undefined
  // oclif wraps the useful part in sentences of its own.
  return error.message.replace(/^The following errors? occurred:\s*/, '').replace(/\s*See more help with[\s\S]*$/, '')
}

function stacksOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause === undefined ? '' : `\ncaused by ${stacksOf(error.cause)}`
  return `${error.stack ?? error.message}${cause}`
}
