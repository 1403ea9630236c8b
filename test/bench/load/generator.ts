import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { FromChild, Job, Outcome, ToChild } from './job.ts'

/** A process of its own that makes load, the same one for all servers. */
export interface Generator {
  /** Connects and makes what will be sent; the function that it gives runs the job once. */
  prepare(job: Job): Promise<() => Promise<Outcome>>
  stop(): Promise<void>
}

export function startGenerator(): Generator {
  const child = fork(fileURLToPath(new URL('child.ts', import.meta.url)), [], { serialization: 'advanced' })
  return {
    async prepare(job) {
      await ask(child, { prepare: job })
      return async () => {
        const answer = await ask(child, { go: true })
        if (!('outcome' in answer)) throw new Error('the load generator gave no outcome')
        return answer.outcome
      }
    },
    async stop() {
      const exited = once(child, 'exit')
      child.disconnect()
      await exited
    },
  }
}

async function ask(child: ChildProcess, message: ToChild): Promise<FromChild> {
  const gone = new AbortController()
  const died = () => gone.abort(new Error('the load generator has died'))
  child.once('exit', died)
  try {
    child.send(message)
    const [answer] = (await once(child, 'message', { signal: gone.signal })) as [FromChild]
    if ('error' in answer) throw new Error(`the load generator: ${answer.error}`)
    return answer
  } finally {
    child.off('exit', died)
  }
}
