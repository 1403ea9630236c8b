import { stat } from 'node:fs/promises'
import { type Digest, type DigestFunction, digestText } from '../core/digest.ts'
import { Failure } from '../core/failure.ts'
import { digestOf } from '../core/hash.ts'
import { type PlatformProperty, sortedProperties } from '../core/platform.ts'
import { re } from '../wire/proto.ts'
import { type ResourceUsage, usageIn } from '../wire/resource-usage.ts'
import type { Channel, RpcError } from '../wire/rpc.ts'
import { fromTimestamp, toDuration } from '../wire/time.ts'
import { negotiate } from './capabilities.ts'
import { type CasClient, createCasClient, type UploadReport } from './cas.ts'
import { wireDigest } from './context.ts'
import { type Executed, execute, type Progress } from './execute.ts'
import { hashFile } from './filehash.ts'
import type { OutputStream } from './follow.ts'
import { buildMerkleTree, treeSources } from './merkle.ts'
import { type Materialised, materialiseOutputs } from './outputs.ts'
import { pathSegments } from './paths.ts'
import { compareOutputs, type OutputDifference } from './plan.ts'
import type { BlobSource } from './source.ts'
import { readingStdin, rootWithStdin } from './stdin.ts'

/** One command, and how to run it. */
export interface RunRequest {
  /** Sent with every call (request-metadata.ts). */
  readonly metadata?: Readonly<Record<string, string>>
  /** Program and arguments; no shell is involved. */
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** The folder whose contents become the input root; if absent, the root is empty. */
  readonly inputFolder?: string
  /** A file that becomes the command's standard input, which is empty otherwise. */
  readonly stdinFile?: string
  /** Relative to the input root; files or folders. */
  readonly outputPaths: readonly string[]
  /** Where the requested outputs are written; if absent, nothing is fetched. */
  readonly outputFolder?: string
  /** May what is at this absolute path be replaced by an output? */
  readonly mayReplace?: (path: string) => boolean
  readonly properties: readonly PlatformProperty[]
  /** Execution timeout in milliseconds; the server's default if absent. */
  readonly timeoutMs?: number
  /** Neither look up the action cache nor write to it. */
  readonly doNotCache: boolean
  /** Run it even if its result is cached, and cache the new one. */
  readonly skipCacheLookup: boolean
  /** Makes the action differ from the same command without it, for checks that must really run. */
  readonly salt?: string
  /** The digest function to use; if absent, the first that server and client share. */
  readonly fn?: DigestFunction
  readonly signal?: AbortSignal
}

/** Progress that a caller may show. */
export interface RunEvents {
  /** First the bytes about to be sent, then increments as they are; likewise for outputs. */
  onUploading?(bytes: number): void
  onSent?(bytes: number): void
  onDownloading?(bytes: number): void
  onReceived?(bytes: number): void
  onProgress?(progress: Progress): void
  onOutput?(stream: OutputStream, bytes: Uint8Array): void
}

export interface RunReport {
  readonly exitCode: number
  readonly cached: boolean
  /** The worker that ran it, now or when the result was cached. */
  readonly worker: string
  readonly action: Digest
  readonly uploaded: UploadReport
  /** Milliseconds for finding what is missing and sending it. */
  readonly uploadMs: number
  readonly outputs: Materialised | undefined
  readonly difference: OutputDifference
  /** Milliseconds that the command itself took. */
  readonly ranMs: number
  /** What it used, as far as its worker measured that. */
  readonly used: ResourceUsage
  /** The action did not end by itself: a timeout, a lost worker. */
  readonly error: RpcError | undefined
  readonly message: string
}

/**
 * Runs one command remotely as an API client does: builds the Merkle tree, uploads what is missing, executes, writes
 * the outputs. The command's output goes to events.onOutput, as it runs if the server supports that, and always
 * completely.
 * @param scheduler serves Execution; `cache` the other services (it may be the same channel)
 * @throws Failure for bad input; RpcError when the server refuses or cannot be reached
 */
export async function runRemotely(
  cache: Channel,
  scheduler: Channel,
  request: RunRequest,
  events: RunEvents = {},
): Promise<RunReport> {
  const { signal } = request
  const facts = await negotiate(cache, { ...(request.fn && { fn: request.fn }), ...(signal && { signal }) })
  const cas = createCasClient(cache, {
    fn: facts.fn,
    batchBytes: facts.batchBytes,
    zstd: false,
    ...(request.metadata && { metadata: request.metadata }),
    ...(events.onSent && { onSent: events.onSent }),
  })
  const { action, sources } = await actionOf(request, facts.fn)
  const began = performance.now()
  const uploaded = await cas.uploadMissing(sources, signal, events.onUploading)
  const uploadMs = performance.now() - began
  const executed = await execute(
    scheduler,
    {
      action,
      skipCacheLookup: request.skipCacheLookup,
      inlineStdout: true,
      inlineStderr: true,
      onMissing: (digests) => cas.upload(wanted(sources, digests), signal),
      ...(events.onProgress && { onProgress: events.onProgress }),
      ...(events.onOutput && { onOutput: events.onOutput }),
      ...(signal && { signal }),
    },
    { fn: facts.fn, ...(request.metadata && { metadata: request.metadata }) },
  )
  await restOfOutput(cas, executed, events, signal)
  const outputs = request.outputFolder
    ? await materialiseOutputs(cas, executed.result, request.outputFolder, {
        asked: request.outputPaths,
        ...(request.mayReplace && { mayReplace: request.mayReplace }),
        ...(events.onDownloading && { onPlanned: events.onDownloading }),
        ...(events.onReceived && { onBytes: events.onReceived }),
        ...(signal && { signal }),
      })
    : undefined
  return {
    ...reportOf(executed),
    action,
    uploaded,
    uploadMs,
    outputs,
    difference: compareOutputs(executed.result, request.outputPaths),
  }
}

/** The Action and all blobs that it references. */
async function actionOf(
  request: RunRequest,
  fn: DigestFunction,
): Promise<{ action: Digest; sources: readonly BlobSource[] }> {
  if (request.argv.length === 0) throw new Failure('invalid', 'there is no command to run')
  const { root, inputs } = await inputsOf(request, fn)
  const platform = { properties: sortedProperties(request.properties) }
  const command = sourceOf(fn, re.Command.encode(commandOf(request, platform)).finish())
  const action = sourceOf(
    fn,
    re.Action.encode({
      commandDigest: wireDigest(command.digest),
      inputRootDigest: wireDigest(root),
      doNotCache: request.doNotCache,
      platform,
      ...(request.timeoutMs !== undefined && { timeout: toDuration(request.timeoutMs) }),
      ...(request.salt !== undefined && { salt: Buffer.from(request.salt) }),
    }).finish(),
  )
  return { action: action.digest, sources: [...inputs, command, action] }
}

/** The input root, and every blob in it. */
async function inputsOf(request: RunRequest, fn: DigestFunction): Promise<{ root: Digest; inputs: BlobSource[] }> {
  const tree = request.inputFolder ? await buildMerkleTree(request.inputFolder, { fn }) : undefined
  const inputs = tree ? treeSources(tree) : [sourceOf(fn, new Uint8Array(0))]
  if (request.stdinFile === undefined)
    return { root: tree ? tree.root.digest : digestOf(fn, new Uint8Array(0)), inputs }
  const { size } = await stat(request.stdinFile)
  const { digest } = await hashFile(request.stdinFile, fn, size)
  const { root, sources } = rootWithStdin(tree, { digest, content: request.stdinFile }, fn)
  return { root, inputs: [...inputs, ...sources] }
}

function commandOf(request: RunRequest, platform: re.Platform.$Properties): re.Command.$Properties {
  for (const path of request.outputPaths) pathSegments(path, 'output path')
  const names = Object.keys(request.env).sort()
  return {
    arguments: request.stdinFile === undefined ? [...request.argv] : readingStdin(request.argv),
    environmentVariables: names.map((name) => ({ name, value: request.env[name] ?? '' })),
    outputPaths: [...new Set(request.outputPaths)].sort(),
    platform,
  }
}

function sourceOf(fn: DigestFunction, content: Uint8Array): BlobSource {
  return { digest: digestOf(fn, content), content }
}

function wanted(sources: readonly BlobSource[], digests: readonly Digest[]): BlobSource[] {
  const texts = new Set(digests.map(digestText))
  return sources.filter((source) => texts.has(digestText(source.digest)))
}

/** Output that was not received while it ran: inline, or by digest. */
async function restOfOutput(
  cas: CasClient,
  { result, followed }: Executed,
  events: RunEvents,
  signal: AbortSignal | undefined,
): Promise<void> {
  const streams = [
    ['stdout', result.stdoutRaw, result.stdoutDigest],
    ['stderr', result.stderrRaw, result.stderrDigest],
  ] as const
  for (const [stream, raw, digest] of streams) {
    let skip = followed[stream]
    const hand = (bytes: Uint8Array) => {
      const rest = bytes.subarray(Math.min(skip, bytes.byteLength))
      skip -= bytes.byteLength - rest.byteLength
      if (rest.byteLength > 0) events.onOutput?.(stream, rest)
    }
    if (raw && raw.byteLength > 0) hand(raw)
    else if (digest?.hash && (digest.sizeBytes ?? 0) > skip) {
      const blob = { fn: cas.fn, hash: digest.hash, size: digest.sizeBytes ?? 0 }
      for await (const piece of cas.readStream(blob, signal)) hand(piece)
    }
  }
}

function reportOf(
  executed: Executed,
): Pick<RunReport, 'exitCode' | 'cached' | 'worker' | 'ranMs' | 'used' | 'error' | 'message'> {
  const metadata = executed.result.executionMetadata
  const began = metadata?.executionStartTimestamp
  const ended = metadata?.executionCompletedTimestamp
  return {
    exitCode: executed.result.exitCode ?? 0,
    cached: executed.cached,
    worker: metadata?.worker ?? '',
    ranMs: began && ended ? fromTimestamp(ended) - fromTimestamp(began) : 0,
    used: usageIn(executed.result),
    error: executed.error,
    message: executed.message,
  }
}
