import type { Clock } from '../../core/clock.ts'
import { type Lock, takeLock } from '../../host/process-lock.ts'
import type { Step, StepReport } from '../driver.ts'

const touchEveryMs = 1_000

/** What is needed to take a lock. */
export interface LockContext {
  readonly paths: { readonly lock: string }
  readonly clock: Clock
}

/**
 * The same steps under the cluster's lock: the first takes it, the last releases it. When a step fails, the lock is
 * kept until everything is undone; with retain nothing is undone, and it is released at once.
 */
export function locked({ paths, clock }: LockContext, retain: boolean, steps: readonly Step[]): Step[] {
  let lock: Lock | undefined

  async function release(): Promise<void> {
    const held = lock
    lock = undefined
    await held?.release()
  }

  async function take(report: StepReport): Promise<void> {
    lock = await takeLock(paths.lock, {
      clock,
      signal: report.signal,
      waiting: (pid) => report.say(`waiting for another \`native\` (process ${pid}) that is working on it`),
    })
  }

  /** Shows those who wait for the lock that there is progress: a step begins, or reports something. */
  function moving({ signal, say }: StepReport): StepReport {
    let told = 0
    return {
      signal,
      say(text) {
        say(text)
        if (clock.now() - told < touchEveryMs) return
        told = clock.now()
        lock?.touch()
      },
    }
  }

  return steps.map((step, at) => {
    const first = at === 0
    const last = at === steps.length - 1
    const undo = step.undo?.bind(step)
    const undoes = () => undo !== undefined && (step.undoes?.() ?? true)
    return {
      title: step.title,
      async run(report) {
        try {
          if (first) await take(report)
          lock?.touch()
          await step.run(moving(report))
          if (last) await release()
        } catch (error) {
          // The undo of the first step, which comes last, releases; with retain there is none.
          if (retain) await release()
          throw error
        }
      },
      ...((first || undo) && {
        async undo() {
          try {
            await undo?.()
          } finally {
            if (first) await release()
          }
        },
        undoes,
        ...(step.undone && { undone: step.undone.bind(step) }),
      }),
    }
  })
}
