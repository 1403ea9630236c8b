import { Listr, type ListrTask, PRESET_TIMER } from 'listr2'
import type { Step, StepReport } from '../cluster/driver.ts'
import { messageOf } from '../core/failure.ts'

/**
 * live: redrawn while it runs, for a terminal; lines: a line when a step begins to say
 * something and one when it is done, for files and scripts; silent: nothing.
 */
type Presentation = 'live' | 'lines' | 'silent'

export interface TaskOptions {
  readonly presentation: Presentation
  readonly signal: AbortSignal
  /** Leave what was done when a step fails. */
  readonly retain: boolean
  /** Where lines go. */
  readonly write: (line: string) => void
}

/**
 * Runs steps one after the other and shows them. When one fails, what it and those before
 * it did is taken back, last first, unless it is to be retained; an undo that fails is told
 * and does not keep the others from theirs.
 * @throws what the failing step threw, or the signal's reason when it aborts
 */
export async function runSteps(steps: readonly Step[], options: TaskOptions): Promise<void> {
  const begun: Step[] = []
  const tasks = steps.map((step) =>
    taskOf(step.title, options, async (report) => {
      begun.push(step)
      await step.run(report)
    }),
  )
  try {
    await list(tasks, options).run()
    options.signal.throwIfAborted()
  } catch (error) {
    if (!options.retain) await undo(begun.reverse(), options)
    // However an aborted step words it, the reason is the interrupt.
    throw options.signal.aborted ? options.signal.reason : error
  }
}

async function undo(begun: readonly Step[], options: TaskOptions): Promise<void> {
  // The undo is not interrupted: it is what the interruption asked for.
  const undoOptions = { ...options, signal: new AbortController().signal }
  const tasks = begun.flatMap((step) => (step.undo ? [undoTask(step, undoOptions)] : []))
  await list(tasks, undoOptions).run()
}

function undoTask(step: Step, options: TaskOptions): ListrTask {
  const title = `Taking back: ${step.title}`
  // What takes nothing back, as the return of a lock, is no news; that it failed is.
  if (step.undoes?.() === false) return { task: (_, task) => failureOf(step).then((text) => tell(text, task)) }
  return taskOf(title, options, async ({ say }) => {
    const failed = await failureOf(step)
    if (failed !== undefined) say(failed)
  })

  function tell(failed: string | undefined, task: { title: string | undefined }): void {
    if (failed === undefined) return
    task.title = `${title}: ${failed}`
    if (options.presentation === 'lines') options.write(task.title)
  }
}

/** Takes a step back. @returns how that failed, if it did */
async function failureOf(step: Step): Promise<string | undefined> {
  try {
    await step.undo?.()
    return undefined
  } catch (error) {
    return `failed: ${messageOf(error)}`
  }
}

function list(tasks: ListrTask[], { presentation }: TaskOptions) {
  return new Listr(tasks, {
    concurrent: false,
    exitOnError: true,
    registerSignalListeners: false,
    renderer: presentation === 'live' ? 'default' : 'silent',
    rendererOptions: { timer: PRESET_TIMER, showErrorMessage: false, formatOutput: 'wrap' },
  })
}

/** A step as listr2 has it; what it said last stays beside its title. */
function taskOf(title: string, options: TaskOptions, run: (report: StepReport) => Promise<void>): ListrTask {
  const { presentation, signal, write } = options
  const lines = presentation === 'lines'
  return {
    title,
    async task(_, task) {
      signal.throwIfAborted()
      const began = performance.now()
      let said = ''
      const say = (text: string) => {
        // In a log a step's last words come with its end; what it says before stands alone.
        if (text === said) return
        if (lines && said !== '') write(`${title}: ${said}`)
        said = text
        if (!lines) task.output = text
      }
      await run({ signal, say })
      if (!lines) task.title = said === '' ? title : `${title}: ${said}`
      else write(`${title}: ${said || 'done'} (${seconds(performance.now() - began)})`)
    },
  }
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}
