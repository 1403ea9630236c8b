import type { History } from '../../src/console/history.ts'
import type { Learned } from '../../src/console/learn.ts'
import type { Readable } from '../../src/console/reading-queue.ts'
import { type Digest, digestText } from '../../src/core/digest.ts'
import { re } from '../../src/wire/proto.ts'
import { blobOf } from '../fixture/blob.ts'

/** Builds of so many actions each, numbered from 0. */
export interface Filling {
  readonly build: number
  readonly builds: number
  readonly actions: number
}

/** When the first of them begins, in milliseconds since 1970. */
export const began = 1_700_000_000_000
/** Between two actions of a build: it takes 100 s for 10,000. */
const actionMs = 10
const workers = 4
const perPackage = 20
const headersShared = 100
const batchActions = 500

type Blobs = Map<string, { readonly digest: Digest; readonly bytes: Uint8Array }>

/** Writes a build. The last one reads another header; those before it have all in the cache but for the first. */
export function fillWithMisses(history: History, { build, builds, actions }: Filling): void {
  const header = build === builds - 1 ? 'new' : 'old'
  const outcome = build === 0 || build === builds - 1 ? ('local' as const) : ('hit' as const)
  for (let from = 0; from < actions; from += batchActions) {
    const blobs: Blobs = new Map()
    const made = Array.from({ length: Math.min(batchActions, actions - from) }, (_, at) =>
      compile(blobs, from + at, header),
    )
    const events = made.flatMap(({ action, at }) => {
      const client = {
        ...{ invocation: `build-${build}`, correlated: '', tool: 'bazel', toolVersion: '7.7.1' },
        ...{ target: targetOf(at), mnemonic: 'CppCompile', configuration: 'c'.repeat(64) },
      }
      const common = { at: began + (build * actions + at) * actionMs, client, instance: '', action }
      const answer = outcome === 'hit' ? ('hit' as const) : ('absent' as const)
      const lookup = { kind: 'lookup' as const, ...common, lookup: { answer } }
      if (outcome === 'hit') return [lookup]
      const times = timesOf(common.at)
      const nothing = { merged: false, exitCode: 0, status: 0, message: '', skipCacheLookup: false, doNotCache: false }
      return [
        lookup,
        {
          kind: 'execution' as const,
          ...common,
          run: { ...nothing, outcome, worker: `worker-${at % workers}`, attempts: 1, times },
        },
      ]
    })
    const sequence = (build * actions + from) / batchActions + 1
    const batch = { run: Buffer.from('run'), sequence, dropped: 0, events }
    history.use(({ ingest }) => ingest.add(batch, began))
    const byAction = new Map(made.map((each) => [digestText(each.action), each]))
    readAll(history, ({ content, action }) => {
      const known = byAction.get(digestText(action))
      return known ? [{ content, ...known }] : []
    })
    history.use(({ learn }) => learn([], [...blobs.values()], began))
  }
}

/** Has read what is to be read. @param read what was found of an action */
export function readAll(history: History, read: (action: Readable) => readonly Learned[]): void {
  for (;;) {
    const unread = history.use((tables) => tables.unread.next())
    if (unread.length === 0) return
    history.use(({ learn }) => learn(unread.flatMap(read), [], began))
    history.use((tables) => tables.unread.done(unread))
  }
}

/** As if each worker had a slot for nearly every action. */
function timesOf(at: number) {
  const phases = { inputStart: at + 10, inputEnd: at + 60, runStart: at + 60, runEnd: at + 800, outputStart: at + 800 }
  return { queued: at - 5, workerStart: at, ...phases, outputEnd: at + 890, workerEnd: at + 900 }
}

/** A compilation as Bazel has it: its package, headers that all share, a toolchain. */
function compile(blobs: Blobs, at: number, header: string) {
  const put = (bytes: Uint8Array): re.Digest.$Properties => {
    const { digest } = blobOf(bytes)
    blobs.set(digestText(digest), { digest, bytes })
    return { hash: digest.hash, sizeBytes: digest.size }
  }
  const file = (name: string, content: string) => {
    const { digest } = blobOf(content)
    return { name, digest: { hash: digest.hash, sizeBytes: digest.size } }
  }
  const folderOf = (folders: Readonly<Record<string, re.Digest.$Properties>>, files: re.FileNode.$Properties[] = []) =>
    put(
      re.Directory.encode({
        files,
        directories: Object.entries(folders).map(([name, digest]) => ({ name, digest })),
      }).finish(),
    )
  const headers = Array.from({ length: headersShared }, (_, each) => file(`header${each}.h`, `${each}`))
  const source = folderOf({}, [file(`file${at}.cc`, `${at}`), file(`file${at}.h`, `${at} h`)])
  const inputRoot = folderOf({
    app: folderOf({ [packageOf(at)]: source }),
    base: folderOf({}, [...headers, file('version.h', header)]),
    external: folderOf({ toolchain: folderOf({}, headers) }),
  })
  const output = `bazel-out/k8-fastbuild/bin/app/${packageOf(at)}/_objs/file${at}/file${at}.o`
  const flags = Array.from({ length: 40 }, (_, each) => `-fsome-flag-of-the-toolchain=${each}`)
  const command = put(
    re.Command.encode({
      arguments: ['/usr/bin/gcc', ...flags, '-c', `app/${packageOf(at)}/file${at}.cc`, '-o', output],
      environmentVariables: [{ name: 'PATH', value: '/usr/local/bin:/usr/bin:/bin' }],
      outputPaths: [output],
    }).finish(),
  )
  const action = put(re.Action.encode({ commandDigest: command, inputRootDigest: inputRoot }).finish())
  const known = (wire: re.Digest.$Properties): Digest => ({
    fn: 'sha256',
    hash: wire.hash ?? '',
    size: wire.sizeBytes ?? 0,
  })
  return { at, action: known(action), command: known(command), inputRoot: known(inputRoot), outputs: [output] }
}

function packageOf(at: number): string {
  return `package${Math.floor(at / perPackage)}`
}

function targetOf(at: number): string {
  return `//app/${packageOf(at)}:lib`
}
