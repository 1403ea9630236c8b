import { createCache } from '../../src/cache/services.ts'
import { openBuildHistory } from '../../src/client/build-history.ts'
import { createCasClient } from '../../src/client/cas.ts'
import { createRecording } from '../../src/client/record.ts'
import type { Ended, Found } from '../../src/client/recorder.ts'
import { createConsole } from '../../src/console/services.ts'
import type { Digest } from '../../src/core/digest.ts'
import type { Secret } from '../../src/core/secret.ts'
import { createMemoryBlobs } from '../../src/store/memory/blobs.ts'
import { createMemoryResults } from '../../src/store/memory/results.ts'
import { verified } from '../../src/store/verified.ts'
import type { Log } from '../../src/telemetry/log.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { re } from '../../src/wire/proto.ts'
import type { Channel } from '../../src/wire/rpc.ts'
import { blobOf } from '../fixture/blob.ts'
import { manualClock } from '../fixture/manual-clock.ts'
import { memoryChannel } from '../fixture/memory-channel.ts'
import { quietLog } from '../fixture/quiet-log.ts'

export interface ConsoleSetup {
  readonly folder: string
  readonly bytesMax?: number
  readonly ageMsMax?: number
  /** What its cache may take in memory. */
  readonly cacheBytesMax?: number
  readonly log?: Log
  /** What those have to know who tell it. */
  readonly secret?: Secret
  /** Fails a call of the console to the cache, by throwing. */
  readonly failCall?: (request: Uint8Array) => void
}

/** What an action of a test differs in. */
export interface ActionParts {
  readonly argument: string
  readonly outputs?: readonly string[]
  readonly workingDirectory?: string
  /** Contents of the one input, `src/input`. */
  readonly input?: string
}

export const hour = 3_600_000

/** A console in front of a real cache, and a recorder that tells it; the clock stands until it is moved. */
export function openTestConsole({
  folder,
  bytesMax = 1e9,
  ageMsMax = 24 * hour,
  cacheBytesMax = 2 ** 28,
  log = quietLog,
  secret,
  failCall = () => undefined,
}: ConsoleSetup) {
  const clock = manualClock(1_800_000_000_000)
  const blobs = verified(createMemoryBlobs(cacheBytesMax))
  const cas = memoryChannel(
    createCache({
      blobs,
      results: createMemoryResults(2 ** 24),
      instances: new Set(['']),
      updateEnabled: true,
      blobSizeMax: 0,
      log: quietLog,
      metrics: createMetrics(),
      clock,
    }).services,
  )
  const metrics = createMetrics()
  const reached: Channel = {
    ...cas,
    async unary(method, request, options) {
      failCall(request)
      return await cas.unary(method, request, options)
    },
  }
  const console = createConsole({ folder, bounds: { bytesMax, ageMsMax }, cas: reached, secret, clock, log, metrics })
  const channel = memoryChannel(console.services)
  const recording = createRecording({ channel, clock, log, metrics: createMetrics() })
  const client = createCasClient(cas)

  return {
    clock,
    console,
    channel,
    cas,
    blobs,
    metrics,
    recorder: recording.recorder,
    history: openBuildHistory(channel),
    /** An Action with its Command and input tree, in the cache. */
    async action(parts: ActionParts): Promise<Digest> {
      const made = actionBlobs(parts)
      await client.upload(made.map(({ digest, bytes }) => ({ digest, content: bytes })))
      return made[0]?.digest ?? blobOf('').digest
    },
    /** A text in the cache. */
    async log(text: string): Promise<Digest> {
      const { digest, bytes } = blobOf(text)
      await client.upload([{ digest, content: bytes }])
      return digest
    },
    /** Lets everything that was put down arrive, and be read. */
    async settled(): Promise<void> {
      clock.advance(250)
      await new Promise((resolve) => setImmediate(resolve))
      for (let turns = 0; turns < 20; turns += 1) {
        await new Promise((resolve) => setImmediate(resolve))
        await console.idle()
      }
    },
    close() {
      console.close()
      channel.close()
      cas.close()
    },
  }
}

/** The Action, the Command, and the Directories of the input tree. */
export function actionBlobs({ argument, outputs = ['out'], workingDirectory = '', input = 'input' }: ActionParts) {
  const file = blobOf(input)
  const wire = ({ hash, size }: Digest) => ({ hash, sizeBytes: size })
  const below = blobOf(re.Directory.encode({ files: [{ name: 'input', digest: wire(file.digest) }] }).finish())
  const root = blobOf(re.Directory.encode({ directories: [{ name: 'src', digest: wire(below.digest) }] }).finish())
  const command = blobOf(
    re.Command.encode({ arguments: ['tool', argument], outputPaths: [...outputs], workingDirectory }).finish(),
  )
  const action = blobOf(
    re.Action.encode({ commandDigest: wire(command.digest), inputRootDigest: wire(root.digest) }).finish(),
  )
  return [action, command, root, below, file] as const
}

export interface Said {
  readonly invocation?: string
  readonly target?: string
  readonly mnemonic?: string
  readonly configuration?: string
  readonly tool?: string
}

/** What a client says of itself, as a recorder is told it. */
export function callerOf({ invocation = '', target = '', mnemonic = '', configuration = '', tool = 'bazel' }: Said) {
  const bytes = re.RequestMetadata.encode({
    toolDetails: { toolName: tool, toolVersion: '7.7.1' },
    toolInvocationId: invocation,
    targetId: target,
    actionMnemonic: mnemonic,
    configurationId: configuration,
  }).finish()
  return { metadata: Buffer.from(bytes).toString('base64'), instance: '' }
}

export const hit: Found = { answer: 'hit' }
export const absent: Found = { answer: 'absent' }

/** An Execute that ended well on a worker. */
export function ran(part: Partial<Ended> = {}): Ended {
  return {
    cached: false,
    merged: false,
    skipCacheLookup: false,
    doNotCache: false,
    status: 0,
    message: '',
    exitCode: 0,
    metadata: { worker: 'worker-1', queuedTimestamp: { seconds: 1_800_000_000, nanos: 5_000_000 } },
    attempts: 1,
    ...part,
  }
}
