import { randomBytes, randomInt } from 'node:crypto'
import { type CasClient, createCasClient } from '../../src/client/cas.ts'
import { runRemotely } from '../../src/client/run.ts'
import type { Digest } from '../../src/core/digest.ts'
import { messageOf } from '../../src/core/failure.ts'
import type { Channel } from '../../src/wire/rpc.ts'
import { blobOf } from '../fixture/blob.ts'

/** What honest clients did, and what failed them. */
export interface Honest {
  readonly actions: number
  readonly hits: number
  readonly written: number
  readonly read: number
  /** Milliseconds that each action took from call to answer. */
  readonly actionMs: readonly number[]
  /** What was said, and how often. */
  readonly failures: ReadonlyMap<string, number>
}

const actionsAtOnce = 3
const smallBytesMax = 64 * 1024
const largeBytesMax = 3 * 1024 * 1024
/** Blobs that are in use all the time: well below the store's size, so none of them may ever be gone. */
const hotMax = 200
/** Waiting time between two turns of one client: attackers must not be slowed down by a busy machine alone. */
const turnMs = 20

/** Runs honest clients until the signal; settles when the last call has its answer. */
export async function honestLoad(
  cache: Channel,
  scheduler: Channel,
  folder: string,
  stop: AbortSignal,
): Promise<Honest> {
  const done = {
    actions: 0,
    hits: 0,
    written: 0,
    read: 0,
    actionMs: [] as number[],
    failures: new Map<string, number>(),
  }
  const cas = createCasClient(cache)
  const hot: Digest[] = []
  const loop = async (name: string, turn: () => Promise<void>) => {
    while (!stop.aborted) {
      try {
        await turn()
      } catch (error) {
        const text = `${name}: ${messageOf(error)}`
        done.failures.set(text, (done.failures.get(text) ?? 0) + 1)
      }
      await new Promise((resolve) => setTimeout(resolve, turnMs))
    }
  }
  const act = async (salt: string): Promise<boolean> => {
    const began = performance.now()
    const cached = await oneAction(cache, scheduler, folder, salt)
    done.actionMs.push(performance.now() - began)
    return cached
  }
  const fresh = Array.from({ length: actionsAtOnce }, () =>
    loop('action', async () => {
      await act(randomBytes(8).toString('hex'))
      done.actions += 1
    }),
  )
  // The first call of a repeated action runs it; all later ones have to be answered from the cache.
  let known = false
  const repeated = loop('repeated action', async () => {
    const cached = await act('the same each time')
    if (known && !cached) throw new Error('a result that is asked for all the time was not in the cache')
    known = true
    done.hits += 1
  })
  await Promise.all([
    ...fresh,
    repeated,
    loop('blobs', async () => {
      hot.push(await written(cas))
      done.written += 1
      if (hot.length > hotMax) hot.splice(randomInt(hot.length), 1)
    }),
    loop('hot blobs', async () => {
      const [missing] = await cas.findMissing(hot.slice())
      if (missing) throw new Error(`${missing.hash}/${missing.size} is in use all the time, and is gone`)
      const digest = hot[randomInt(Math.max(1, hot.length))]
      if (!digest) return
      const bytes = await cas.readBlob(digest)
      if (blobOf(bytes).digest.hash !== digest.hash) throw new Error(`${digest.hash} came with other bytes`)
      done.read += 1
    }),
  ])
  return done
}

async function written(cas: CasClient): Promise<Digest> {
  const blob = blobOf(randomBytes(1 + randomInt(randomInt(10) === 0 ? largeBytesMax : smallBytesMax)))
  await cas.uploadMissing([{ digest: blob.digest, content: blob.bytes }])
  return blob.digest
}

/** Inputs, both streams, an output: each is held against what it has to be. */
async function oneAction(cache: Channel, scheduler: Channel, folder: string, salt: string): Promise<boolean> {
  const heard = { stdout: '', stderr: '' }
  const report = await runRemotely(
    cache,
    scheduler,
    {
      argv: [
        '/bin/sh',
        '-c',
        `echo one >&2; echo two > /dev/stderr; cat words; cp words out; echo ${JSON.stringify(salt)}`,
      ],
      env: { PATH: '/usr/bin:/bin' },
      inputFolder: folder,
      outputPaths: ['out'],
      properties: [],
      doNotCache: false,
      skipCacheLookup: false,
      salt,
    },
    {
      onOutput: (stream, bytes) => {
        heard[stream] += Buffer.from(bytes).toString()
      },
    },
  )
  if (report.error) throw report.error
  if (report.exitCode !== 0) throw new Error(`exit code ${report.exitCode}: ${heard.stderr}`)
  if (heard.stdout !== `honest words\n${salt}\n`) throw new Error(`stdout was ${JSON.stringify(heard.stdout)}`)
  if (heard.stderr !== 'one\ntwo\n') throw new Error(`stderr was ${JSON.stringify(heard.stderr)}`)
  return report.cached
}
