import type { ActionRecord, BuildHistory } from '../../core/build-history.ts'
import { digestText } from '../../core/digest.ts'
import { Failure } from '../../core/failure.ts'
import { printable } from '../../core/printable.ts'
import { spanText } from '../../core/units.ts'
import { outputsOf } from '../../explain/command.ts'
import { type LoadedAction, loadAction } from '../../explain/compare.ts'
import { findSubject } from '../../explain/find.ts'
import type { Load } from '../../explain/load.ts'
import { shownArgument, shownValue } from '../../explain/secrets.ts'
import { fromDuration } from '../../wire/time.ts'

/** An action as one build had it, and what it runs; secrets are redacted. */
export interface ShownAction extends Omit<ActionRecord, 'digest' | 'command' | 'inputRoot' | 'row'> {
  /** `hash/size`, like all digests here. */
  readonly action: string
  readonly inputRoot: string | null
  /** Null if neither the history nor the cache has it. */
  readonly command: ShownCommand | null
}

interface ShownCommand {
  readonly arguments: readonly string[]
  readonly variables: readonly { readonly name: string; readonly value: string }[]
  readonly properties: readonly { readonly name: string; readonly value: string }[]
  readonly workingDirectory: string
  readonly outputs: readonly string[]
  /** Null if the action sets none. */
  readonly timeoutMs: number | null
}

/**
 * The last run of an action, or of the action that makes an output.
 * @param what the digest of an action (or its beginning), or the path of an output
 * @throws Failure 'not-found', or 'invalid' if it names a build or several actions
 */
export async function showAction(history: BuildHistory, what: string): Promise<ShownAction> {
  const { build, subject } = await findSubject(history, what)
  if (subject.hashPrefix === undefined && subject.target === undefined)
    throw new Failure('invalid', `"${what}" is a build, not an action`, { next: ['list_actions lists its actions.'] })
  const [action, second] = await history.actions({ build: build.id, ...subject, limit: 2 })
  if (!action) throw new Failure('not-found', 'the build has no such action', { where: what })
  if (second)
    throw new Failure('invalid', `"${what}" has several actions`, {
      next: [`Call list_actions for build ${build.id}, and give the digest of one of its actions.`],
    })
  return shown(action, await loaded(history, action))
}

async function loaded(history: BuildHistory, { digest }: ActionRecord): Promise<LoadedAction | undefined> {
  const load: Load = async (digests) => {
    const found = new Map<string, Uint8Array>()
    for (const each of digests) {
      const bytes = await history.blob(each)
      if (bytes) found.set(digestText(each), bytes)
    }
    return found
  }
  try {
    return await loadAction(digest, load)
  } catch (error) {
    if (error instanceof Failure && (error.kind === 'not-found' || error.kind === 'invalid')) return undefined
    throw error
  }
}

function shown(record: ActionRecord, action: LoadedAction | undefined): ShownAction {
  const { digest, command: _, inputRoot, row: __, ...rest } = record
  const root = action?.rootDigest ?? inputRoot
  return {
    action: digestText(digest),
    ...rest,
    inputRoot: root ? digestText(root) : null,
    command: action ? commandOf(action) : null,
  }
}

function commandOf({ action, command }: LoadedAction): ShownCommand | null {
  if (!command) return null
  const pairs = (all: readonly { readonly name?: string | null; readonly value?: string | null }[]) =>
    all.map(({ name, value }) => ({ name: name ?? '', value: shownValue(name ?? '', value ?? '') }))
  return {
    arguments: command.arguments.map((each, at) => shownArgument(each, command.arguments[at - 1])),
    variables: pairs(command.environmentVariables),
    properties: pairs((action.platform ?? command.platform)?.properties ?? []),
    workingDirectory: command.workingDirectory,
    outputs: outputsOf(command),
    timeoutMs: action.timeout ? fromDuration(action.timeout) : null,
  }
}

const listedMax = 200

/** An action in words. */
export function shownActionText(action: ShownAction): string {
  const { target, mnemonic, outcome, exitCode, worker, times, message, command } = action
  const ran = times.runStart !== undefined && times.runEnd !== undefined ? times.runEnd - times.runStart : undefined
  return [
    `${printable([target, mnemonic].filter(Boolean).join(' ')) || 'Action'} (${action.action})`,
    `In build ${printable(action.build)}: ${outcome}${outcome === 'failed' ? `, exit code ${exitCode}` : ''}${worker && ` by ${printable(worker)}`}${ran === undefined ? '' : `, ran ${spanText(ran)}`}`,
    ...(message === '' ? [] : [printable(message, 2_000)]),
    ...(command ? commandLines(command) : ['Its command is neither in the history nor in the cache.']),
  ].join('\n')
}

function commandLines({ arguments: words, variables, properties, workingDirectory, outputs }: ShownCommand): string[] {
  const list = (title: string, all: readonly string[]) =>
    all.length === 0
      ? []
      : [
          `${title}:`,
          ...all.slice(0, listedMax).map((each) => `  ${printable(each, 2_000)}`),
          ...(all.length > listedMax ? [`  and ${all.length - listedMax} more`] : []),
        ]
  const pairs = (all: ShownCommand['variables']) => all.map(({ name, value }) => `${name}=${value}`)
  return [
    ...list('Arguments', words),
    ...list('Environment', pairs(variables)),
    ...list('Platform', pairs(properties)),
    ...(workingDirectory === '' ? [] : [`In the folder ${printable(workingDirectory)} of its inputs`]),
    ...list('Outputs', outputs),
  ]
}
