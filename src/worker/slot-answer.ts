import { Failure } from '../core/failure.ts'
import { type ProcessRequest, refusalOf, type SlotShape } from './command-file.ts'
import type { Ending, ProcessSinks } from './slot-process.ts'
import type { SlotShell } from './slot-shell.ts'

/** What a slot's shell has said of a process, or what is known without it. */
export type SlotAnswer =
  | { readonly kind: 'exited'; readonly code: number; readonly spoiled?: boolean }
  | { readonly kind: 'killed' | 'before' | 'lost' | 'stuck' }

const troubles = {
  before: 'a command that prepares an action failed',
  lost: "the shell of the action's slot ended",
  stuck: 'a process of the action cannot be killed',
} as const

/**
 * Listens to the shell until it says how its process ended.
 * @param isKilled has the process been killed?
 */
export function expectAnswer(shell: SlotShell, isKilled: () => boolean): PromiseWithResolvers<SlotAnswer> {
  const answer = Promise.withResolvers<SlotAnswer>()
  let left: number | undefined
  shell.onLine = (line) => {
    const [kind = '', code] = line.split(' ')
    if (kind === 'left') left = Number(code)
    else if (kind === 'before') answer.resolve({ kind: 'before' })
    else answer.resolve({ kind: 'exited', code: Number(kind), spoiled: code === 'spoiled' })
  }
  shell.onEnd = () => {
    if (left !== undefined) answer.resolve({ kind: 'exited', code: left })
    else answer.resolve({ kind: isKilled() ? 'killed' : 'lost' })
  }
  return answer
}

/** The shell has nothing to say. */
export function expectNothing(shell: SlotShell): void {
  shell.onLine = () => undefined
  shell.onEnd = () => undefined
}

/** @throws Failure 'unavailable' when the slot was lost, or a command before or after failed */
export function endedBy(
  answer: SlotAnswer,
  request: ProcessRequest,
  shape: SlotShape,
  stderr: ProcessSinks['stderr'],
  trouble: string | undefined,
): Ending {
  if (answer.kind === 'killed') return { kind: 'killed' }
  if (answer.kind === 'exited') {
    const text = Buffer.from(stderr.small ?? []).toString()
    return { kind: 'exited', code: answer.code, refusal: refusalOf(request, shape, answer.code, text) }
  }
  throw new Failure('unavailable', troubles[answer.kind], trouble ? { output: trouble } : {})
}
