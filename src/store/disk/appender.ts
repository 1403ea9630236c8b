import type { Append } from './append.ts'
import { inlineBytesMax } from './file-io.ts'
import { createGroupWriter, type GroupWriterOptions } from './group-writer.ts'

/** Gathers the records of a tick and writes them together. */
export interface Appender {
  /**
   * Settles when the record is written, and synced where durability asks for it.
   * @throws Failure when the disk refuses; the record's bytes are then the caller's to release
   */
  append(record: Append): Promise<void>
  /** Runs a task when what was given before is written and nothing is being written. */
  between(task: () => void | Promise<void>): Promise<void>
  /** Is nothing on its way? */
  readonly idle: boolean
  /** Settles when all that was given is on disk or has failed. */
  flushed(): Promise<void>
}

export interface AppenderOptions extends GroupWriterOptions {
  /** Records of one write; a longer record is written by itself. */
  readonly groupBytesMax: number
}

interface Group {
  readonly records: Append[]
  bytes: number
  /** In place of records. */
  readonly task?: () => void | Promise<void>
  readonly settled: Promise<void>
  resolve(): void
  reject(reason: unknown): void
}

const groupRecordsMax = 1024

export function createAppender(options: AppenderOptions): Appender {
  const groupBytesMax = Math.min(inlineBytesMax, options.groupBytesMax)
  const write = createGroupWriter(options)
  const groups: Group[] = []
  let flushing: Promise<void> | undefined
  let scheduled = false

  function schedule(): void {
    if (scheduled || flushing) return
    scheduled = true
    setImmediate(() => {
      scheduled = false
      flushing = flush().finally(() => {
        flushing = undefined
        // Who waited for the last group may have given another before this was known.
        if (groups.length > 0) schedule()
      })
    })
  }

  async function flush(): Promise<void> {
    for (let group = groups.shift(); group; group = groups.shift()) {
      try {
        if (group.task) await group.task()
        else await write(group.records)
        group.resolve()
      } catch (error) {
        group.reject(error)
      }
    }
  }

  function takes(group: Group, record: Append): boolean {
    if (group.task || !group.records[0]?.from !== !record.from) return false
    return group.bytes + record.bytes <= groupBytesMax && group.records.length < groupRecordsMax
  }

  function begin(task?: () => void | Promise<void>): Group {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const group: Group = { records: [], bytes: 0, settled: promise, resolve, reject, ...(task && { task }) }
    groups.push(group)
    return group
  }

  return {
    append(record) {
      const last = groups.at(-1)
      const group = last && takes(last, record) ? last : begin()
      group.records.push(record)
      group.bytes += record.bytes
      schedule()
      return group.settled
    },
    between(task) {
      const { settled } = begin(task)
      schedule()
      return settled
    },
    get idle() {
      return groups.length === 0 && !flushing
    },
    async flushed() {
      while (groups.length > 0 || flushing) await (flushing ?? groups.at(-1)?.settled.catch(() => undefined))
    },
  }
}
