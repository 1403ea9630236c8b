import { DefaultRenderer, Listr, ListrLogger, type ListrTask, PRESET_TIMER, ProcessOutput } from 'listr2'
import type { Step, StepReport } from '../cluster/driver.ts'
import { messageOf } from '../core/failure.ts'
import { printableLines } from '../core/printable.ts'

/**
 * live: redrawn while it runs, for a terminal; lines: one line when a step first reports something and one when it is
 * done, for files and scripts; silent: nothing.
 */
type Presentation = 'live' | 'lines' | 'silent'

export interface TaskOptions {
  readonly presentation: Presentation
  readonly signal: AbortSignal
  /** If a step fails, keep what was done. */
  readonly retain: boolean
  /** Where they are shown. */
  readonly stream: NodeJS.WritableStream
}

/** listr2 checks whether standard output is a terminal, and shows nothing live otherwise. */
class StderrRenderer extends DefaultRenderer {
  static override nonTTY = true
}

/**
 * Runs steps in order and shows them. If one fails, it and those before it are undone, last first, unless they are to
 * be kept; a failing undo is reported and does not stop the others.
 * @throws what the failing step threw, or the signal's reason if it aborts
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
    // However an aborted step reports it, the reason is the interrupt.
    throw options.signal.aborted ? options.signal.reason : error
  }
}

async function undo(begun: readonly Step[], options: TaskOptions): Promise<void> {
  // Undoing is not interrupted: it is what the interrupt requested.
  const undoOptions = { ...options, signal: new AbortController().signal }
  const tasks = begun.flatMap((step) => (step.undo ? [undoTask(step, undoOptions)] : []))
  await list(tasks, undoOptions).run()
}

function undoTask(step: Step, options: TaskOptions): ListrTask {
  const title = `Undoing: ${step.title}`
  // An undo that changes nothing, such as releasing a lock, is not worth showing; its failure is.
  if (step.undoes?.() === false) return { task: (_, task) => failureOf(step).then((text) => tell(text, task)) }
  return taskOf(title, options, async ({ say }) => {
    const failed = await failureOf(step)
    const stands = failed ?? step.undone?.()
    if (stands !== undefined) say(stands)
  })

  function tell(failed: string | undefined, task: { title: string | undefined }): void {
    if (failed === undefined) return
    task.title = `${title}: ${failed}`
    if (options.presentation === 'lines') writeLine(options, task.title)
  }
}

/** Undoes a step. @returns the error message if that failed */
async function failureOf(step: Step): Promise<string | undefined> {
  try {
    await step.undo?.()
    return undefined
  } catch (error) {
    return `failed: ${printableLines(messageOf(error))}`
  }
}

function list(tasks: ListrTask[], { presentation, stream }: TaskOptions) {
  const common = { concurrent: false, exitOnError: true, registerSignalListeners: false } as const
  if (presentation !== 'live') return new Listr(tasks, { ...common, renderer: 'silent' })
  const out = stream as NodeJS.WriteStream
  return new Listr(tasks, {
    ...common,
    renderer: StderrRenderer,
    rendererOptions: {
      timer: PRESET_TIMER,
      showErrorMessage: false,
      formatOutput: 'wrap',
      logger: new ListrLogger({ processOutput: new ProcessOutput(out, out) }),
    },
  })
}

function writeLine({ stream }: TaskOptions, line: string): void {
  stream.write(`${line}\n`)
}

/** A step as a listr2 task; its last message stays next to its title. */
function taskOf(title: string, options: TaskOptions, run: (report: StepReport) => Promise<void>): ListrTask {
  const { presentation, signal } = options
  const lines = presentation === 'lines'
  return {
    title,
    async task(_, task) {
      signal.throwIfAborted()
      const began = performance.now()
      let said = ''
      const say = (words: string) => {
        // A step may quote a server, a registry or a program.
        const text = printableLines(words)
        // In a log, a step's last message is printed when it ends; earlier ones get lines of their own.
        if (text === said) return
        if (lines && said !== '') writeLine(options, `${title}: ${said}`)
        said = text
        if (!lines) task.output = text
      }
      await run({ signal, say })
      if (!lines) task.title = said === '' ? title : `${title}: ${said}`
      else writeLine(options, `${title}: ${said || 'done'} (${seconds(performance.now() - began)})`)
    },
  }
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}
