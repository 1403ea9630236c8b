import { expect, test } from 'vitest'
import { createOutput, outputBytesMax } from '../../src/scheduler/output.ts'
import type { Attempt, Task } from '../../src/scheduler/task.ts'
import { createToldRuns } from '../../src/scheduler/told-runs.ts'
import type { workerApi } from '../../src/wire/proto.ts'
import { blobOf } from '../fixture/blob.ts'

const client = { peer: '', metadata: undefined, tool: '', invocation: 'b1', target: '', mnemonic: '' }
const { digest } = blobOf('an action')
const task = { digest } as Task

/** Runs of which each has printed as much as is kept of one. */
function open() {
  const runs = createToldRuns(() => client)
  let count = 0
  return {
    runs,
    begin(): Attempt {
      count += 1
      const attempt = {
        lease: { id: `lease-${count}`, worker: { name: 'w1' } },
        stdout: createOutput(),
        stderr: createOutput(),
      } as unknown as Attempt
      attempt.stdout.append(Buffer.alloc(outputBytesMax, 'x'))
      runs.add(task, attempt)
      return attempt
    },
  }
}

const endsIn = (events: Iterable<workerApi.OutputEvent.$Properties>) =>
  [...events].flatMap(({ run, ended }) => (ended ? [{ run, broken: ended.broken }] : []))

test('of a run that is let go its end is told, once, and one that was not begun is counted', () => {
  const { runs, begin } = open()
  const first = begin()
  const telling = runs.news()[Symbol.iterator]()
  expect(telling.next().value).toMatchObject({ run: 1, begun: { invocation: 'b1' } })
  expect(telling.next().value).toMatchObject({ run: 1, output: { lost: 0 } })
  // From here on the client takes nothing, while ten runs end.
  for (const attempt of [first, ...Array.from({ length: 9 }, begin)]) attempt.stdout.end()
  begin()
  expect(runs.skipped).toBe(1)
  const ends = endsIn({ [Symbol.iterator]: () => telling })
  expect(ends.filter(({ run }) => run === 1)).toEqual([{ run: 1, broken: 'its output is not kept any more' }])
  expect(new Set(ends.map(({ run }) => run))).toEqual(new Set([1, 3, 4, 5, 6, 7, 8, 9, 10]))
  expect(ends).toHaveLength(9)
})
