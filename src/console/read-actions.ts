import { posix } from 'node:path'
import type { CasClient } from '../client/cas.ts'
import type { Clock } from '../core/clock.ts'
import { type Digest, digestFromWire, digestFunctions, digestText } from '../core/digest.ts'
import { ifWellFormed } from '../core/failure.ts'
import { decodeMessage } from '../wire/decode.ts'
import { re } from '../wire/proto.ts'
import type { History } from './history.ts'
import type { Kept, Learned } from './learn.ts'
import { readTree } from './read-tree.ts'
import type { Readable } from './reading-queue.ts'

export interface ActionReading {
  readonly client: CasClient
  readonly history: History
  readonly clock: Clock
  readonly signal: AbortSignal
}

/** Larger Actions and Commands are ignored. */
const actionBytesMax = 64 * 1024
const commandBytesMax = 1024 * 1024
/** Paths recorded per action. */
const outputsMax = 10_000

/**
 * Reads Actions of one digest function and instance into the history, with their Commands and, if a worker ran them,
 * their input trees. Those that the cache lacks are left out.
 */
export async function readActions(reading: ActionReading, actions: readonly Readable[]): Promise<void> {
  const { history, clock, signal } = reading
  const kept: Kept[] = []
  const actionBytes = await readUpTo(
    actionBytesMax,
    reading,
    actions.map(({ action }) => action),
  )
  const known = actions.flatMap((each) => {
    const bytes = actionBytes.get(digestText(each.action))
    const facts = bytes && actionFacts(bytes, each.action)
    if (!bytes || !facts) return []
    kept.push({ digest: each.action, bytes })
    return [{ ...each, ...facts }]
  })
  const commandBytes = await readUpTo(
    commandBytesMax,
    reading,
    known.map(({ command }) => command),
  )
  const learned: Learned[] = []
  for (const { content, action, command, inputRoot } of known) {
    const bytes = commandBytes.get(digestText(command))
    const outputs = bytes && outputsOf(bytes)
    if (!bytes || !outputs) continue
    kept.push({ digest: command, bytes })
    learned.push({ content, action, command, inputRoot, outputs })
  }
  history.use(({ learn }) => learn(learned, kept, clock.now()))
  for (const { ran, inputRoot } of known) if (ran && !signal.aborted) await readTree(reading, inputRoot)
}

/** Larger ones are left out, and so are those that the cache lacks. */
function readUpTo(bytesMax: number, { client, signal }: ActionReading, digests: readonly Digest[]) {
  return client.readBlobs(
    digests.filter(({ size }) => size <= bytesMax),
    signal,
  )
}

/** Undefined for bytes that are not an Action. */
function actionFacts(bytes: Uint8Array, digest: Digest): { command: Digest; inputRoot: Digest } | undefined {
  return ifWellFormed(() => {
    const action = decodeMessage(re.Action, bytes)
    const { value } = digestFunctions[digest.fn]
    return {
      command: digestFromWire(action.commandDigest, value, 'command_digest'),
      inputRoot: digestFromWire(action.inputRootDigest, value, 'input_root_digest'),
    }
  })
}

/** The outputs of a Command, relative to the input root, sorted; undefined for bytes that are not a Command. */
function outputsOf(bytes: Uint8Array): string[] | undefined {
  return ifWellFormed(() => {
    const command = decodeMessage(re.Command, bytes)
    const { outputPaths, outputFiles, outputDirectories, workingDirectory } = command
    const named = outputPaths.length > 0 ? outputPaths : [...outputFiles, ...outputDirectories]
    const paths = named.slice(0, outputsMax).map((path) => posix.join(workingDirectory, path).replace(/\/$/, ''))
    return [...new Set(paths)].sort()
  })
}
