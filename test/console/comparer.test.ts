import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { createComparer } from '../../src/console/comparer.ts'
import { openHistory } from '../../src/console/history.ts'
import { blobOf } from '../fixture/blob.ts'
import { testFolder } from '../fixture/folder.ts'
import { manualClock } from '../fixture/manual-clock.ts'
import { memoryChannel } from '../fixture/memory-channel.ts'
import { quietLog } from '../fixture/quiet-log.ts'

const clock = manualClock(1_800_000_000_000)
const client = {
  ...{ invocation: 'build-1', correlated: '', tool: 'bazel', toolVersion: '7.7.1' },
  ...{ target: '//app:stamp', mnemonic: 'Genrule', configuration: '' },
}

/** Two results of so many bytes each that differ. */
function repeatWith(bytes: number) {
  const of = (letter: string) => ({ exitCode: 0, stdoutRaw: Buffer.alloc(bytes, letter) })
  const action = blobOf('action').digest
  return {
    ...{ kind: 'repeat' as const, at: clock.now(), client, instance: '', action },
    results: [of('a'), of('b')] as const,
  }
}

async function open() {
  const path = join(await testFolder(), 'history.db')
  const history = openHistory({ path, bounds: { bytesMax: 1e9, ageMsMax: 1e12 }, clock, log: quietLog })
  const cas = memoryChannel([])
  const comparer = createComparer({ history, cas, clock, log: quietLog })
  onTestFinished(() => {
    comparer.close()
    cas.close()
    history.close()
  })
  return {
    /** Tells of actions that differ, lets all of them be compared, and counts what is written down. */
    async compared(...events: ReturnType<typeof repeatWith>[]): Promise<number> {
      const batch = { run: Buffer.from('run'), sequence: 1, dropped: 0, events }
      comparer.add(history.use(({ ingest }) => ingest.add(batch, 0))?.different ?? [])
      await comparer.idle()
      return history.use(({ repeats }) => [...repeats.list('build-1', { limit: 1_000, skip: 0 })].length)
    },
  }
}

const mib = 1024 * 1024

it('keeps no more results in its queue than 32 MiB, whatever their number', async () => {
  const { compared } = await open()
  expect(await compared(...Array.from({ length: 90 }, () => repeatWith(mib / 2)))).toBe(31)
})

it('passes over one that is too large, and takes those after it', async () => {
  const { compared } = await open()
  expect(await compared(repeatWith(10), repeatWith(17 * mib), repeatWith(10))).toBe(2)
})

it('keeps no more actions than 100, however small', async () => {
  const { compared } = await open()
  expect(await compared(...Array.from({ length: 150 }, () => repeatWith(10)))).toBe(100)
})
