import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { explanationStore } from '../../src/console/explanation-store.ts'
import { openHistory } from '../../src/console/history.ts'
import { localHistory } from '../../src/console/local-history.ts'
import type { LocalHistory, LookupRecord } from '../../src/core/build-history.ts'
import { systemClock } from '../../src/core/clock.ts'
import { checkedDigest, type Digest, type DigestFunction, digestKey, digestText } from '../../src/core/digest.ts'
import type { ExplanationStore } from '../../src/explain/store.ts'
import { re } from '../../src/wire/proto.ts'
import { quietLog } from '../fixture/quiet-log.ts'
import { createShelf, type Folder, type Shelf } from './actions.ts'

/** An action as a client asked for it in one build. */
export interface Seen {
  readonly target: string
  readonly mnemonic?: string
  /** Output paths. */
  readonly makes: readonly string[]
  readonly argv?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly properties?: Readonly<Record<string, string>>
  readonly inputs?: Folder
  /** Default: executed. */
  readonly outcome?: 'hit' | 'missed' | 'executed' | 'local' | 'failed'
  /** Default: as the outcome says, `hit` or `absent`; null for no lookup at all. */
  readonly lookup?: LookupRecord | null
  readonly doNotCache?: boolean
  readonly skipCacheLookup?: boolean
  /** The client keeps the Action, or the input tree, to itself. */
  readonly keeps?: 'action' | 'tree'
  /** The client names it by this; the digest itself is the same. */
  readonly fn?: DigestFunction
}

export interface Scene {
  readonly history: LocalHistory
  readonly shelf: Shelf
  /** Explanations in the same database. */
  readonly store: ExplanationStore
  /** Has a client build something. @returns the digests of the actions, as `hash/size` */
  build(id: string, actions: readonly Seen[], instance?: string): string[]
  dispose(): void
}

const secondMs = 1_000
const runMs = 2_000

/** A real history on disk, told what servers would tell it. */
export function createScene(): Scene {
  const folder = mkdtempSync(join(tmpdir(), 'native-explain-'))
  const shelf = createShelf()
  const file = openHistory({
    path: join(folder, 'history.db'),
    bounds: { bytesMax: 1e9, ageMsMax: 1e12 },
    clock: systemClock,
    log: quietLog,
  })
  let now = Date.parse('2026-11-29T08:00:00Z')
  let sequence = 0

  function see(id: string, seen: Seen, instance: string): string {
    now += secondMs
    const action = { ...actionOf(shelf, seen), fn: seen.fn ?? 'sha256' }
    const client = {
      ...{ invocation: id, correlated: '', tool: 'bazel', toolVersion: '7.7.1' },
      ...{ target: seen.target, mnemonic: seen.mnemonic ?? 'Genrule', configuration: 'cfg' },
    }
    const outcome = seen.outcome ?? 'executed'
    const common = { at: now, client, instance, action }
    const lookup =
      seen.lookup === undefined ? { answer: outcome === 'hit' ? ('hit' as const) : ('absent' as const) } : seen.lookup
    const ran = outcome === 'executed' || outcome === 'failed' || outcome === 'local'
    sequence += 1
    const events = [
      ...(lookup ? [{ kind: 'lookup' as const, ...common, lookup }] : []),
      ...(ran
        ? [
            {
              kind: 'execution' as const,
              ...common,
              run: {
                outcome,
                skipCacheLookup: seen.skipCacheLookup ?? false,
                doNotCache: seen.doNotCache ?? false,
                ...{ merged: false, exitCode: outcome === 'failed' ? 1 : 0, status: 0, message: '' },
                ...{ worker: 'worker-1', attempts: 1, times: { workerStart: now, workerEnd: now + runMs } },
              },
            },
          ]
        : []),
    ]
    file.use(({ ingest }) => ingest.add({ run: Buffer.from('run'), sequence, dropped: 0, events }, now))
    const unread = file.use((tables) => tables.unread.next())
    if (seen.keeps !== 'action') for (const { content, action } of unread) learn(content, action)
    file.use((tables) => tables.unread.done(unread))
    return digestText(action)
  }

  function learn(content: number, digest: Digest): void {
    const action = re.Action.decode(shelf.get(digest))
    const command = read(action.commandDigest)
    const outputs = re.Command.decode(shelf.get(command)).outputPaths.toSorted()
    const inputRoot = read(action.inputRootDigest)
    file.use(({ learn }) => learn([{ content, action: digest, command, inputRoot, outputs }], [], now))
  }

  return {
    shelf,
    store: explanationStore(file),
    history: localHistory(file, {
      fetch: async (digests) => {
        const found = await shelf.load(digests)
        return new Map(
          digests.flatMap((each) => {
            const bytes = found.get(digestText(each))
            return bytes ? [[digestKey(each), bytes]] : []
          }),
        )
      },
    }),
    build(id, actions, instance = '') {
      now += 60 * secondMs
      return actions.map((each) => see(id, each, instance))
    },
    dispose() {
      file.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function actionOf(shelf: Shelf, seen: Seen): Digest {
  const pairs = (values: Readonly<Record<string, string>> = {}) =>
    Object.entries(values).map(([name, value]) => ({ name, value }))
  const digest = shelf.action(
    {
      arguments: [...(seen.argv ?? ['make', ...seen.makes])],
      environmentVariables: pairs(seen.env),
      outputPaths: [...seen.makes],
    },
    seen.inputs ?? {},
    { doNotCache: seen.doNotCache ?? false, platform: { properties: pairs(seen.properties) } },
  )
  if (seen.keeps === 'action') shelf.forget(digest)
  if (seen.keeps === 'tree') shelf.forget(shelf.tree(seen.inputs ?? {}))
  return digest
}

function read(wire: re.Digest.$Properties | null | undefined): Digest {
  return checkedDigest('sha256', wire?.hash ?? '', wire?.sizeBytes ?? 0)
}
