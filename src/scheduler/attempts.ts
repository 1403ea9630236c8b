import { digestFunctions } from '../core/digest.ts'
import type { workerApi } from '../wire/proto.ts'
import type { RpcError } from '../wire/rpc.ts'
import { toDuration, toTimestamp } from '../wire/time.ts'
import type { Lease, Leases } from './lease.ts'
import type { Streams } from './streams.ts'
import type { Attempt, Task, Worker } from './task.ts'

/** Assigns tasks to workers, and ends the assignments. */
export interface Attempts {
  /** Gives the task to the worker; its slot must already be counted. */
  give(task: Task, worker: Worker): Attempt
  /** Ends the attempt, if there is one. @param error what followers of its output get */
  end(task: Task, error?: RpcError): void
  /** Tells the worker that its answer is no longer wanted; the lease keeps the slot until the worker releases it. */
  callOff(task: Task, reason: string): void
  /** The worker releases a lease that it holds: its slot is free. */
  release(id: string, worker: Worker): Lease<Task, Worker> | undefined
}

export function createAttempts(now: () => number, leases: Leases<Task, Worker>, streams: Streams): Attempts {
  function end(task: Task, error?: RpcError): void {
    if (!task.attempt) return
    const { lease, stdout, stderr } = task.attempt
    stdout.end(error)
    stderr.end(error)
    streams.ended(lease.id)
    task.attempt = undefined
  }

  return {
    give(task, worker) {
      task.attempts += 1
      task.assignedAt = now()
      const lease = leases.grant(task, worker, task.assignedAt)
      const attempt = { lease, ...streams.open(lease.id) }
      task.attempt = attempt
      worker.tell({ assign: assignment(task, lease.id) })
      task.prefetched.drop()
      return attempt
    },
    end,
    callOff(task, reason) {
      const lease = task.attempt?.lease
      if (!lease) return
      lease.task = undefined
      lease.worker.tell({ cancel: { leaseId: lease.id, reason } })
    },
    release(id, worker) {
      const lease = leases.held(id, worker)
      if (!lease) return undefined
      leases.end(lease)
      worker.free += 1
      if (lease.task) end(lease.task)
      return lease
    },
  }
}

function assignment(task: Task, leaseId: string): workerApi.Assign.$Properties {
  return {
    leaseId,
    instanceName: task.instance,
    digestFunction: digestFunctions[task.digest.fn].value,
    actionDigest: { hash: task.digest.hash, sizeBytes: task.digest.size },
    action: task.action.bytes,
    queued: toTimestamp(task.createdAt),
    timeout: toDuration(task.action.timeoutMs),
    inlineStdout: task.inline.stdout,
    inlineStderr: task.inline.stderr,
    inlineOutputFiles: [...task.inline.outputFiles],
    blobs: [...task.prefetched.blobs],
  }
}
