import type { Clock } from '../core/clock.ts'
import { assertInstance, type InstanceNames } from '../core/instance.ts'
import { decodeMessage } from '../wire/decode.ts'
import { re } from '../wire/proto.ts'
import type { Channel, Service } from '../wire/rpc.ts'

const service = 'build.bazel.remote.execution.v2.Capabilities'
/** A CAS that was restarted with other settings is noticed within this time. */
const keptMs = 30_000
const callMsMax = 10_000
const sha256 = 1
const disallowed = 1
/** What our workers read of their outputs and set on their inputs (rule 40). */
const workerNodeProperties = ['mtime', 'unix_mode']

/** What this server and the CAS behind it can do. */
export interface MergedCapabilities {
  readonly service: Service
  /** May symlinks among an action's inputs point to absolute paths? */
  absoluteLinksAllowed(): Promise<boolean>
}

/** Clients may call the one instance by any name. */
const instancesKeptMax = 64

/**
 * The CAS's capabilities merged with our own, so that a client that knows one address sees both. The CAS's answer is
 * kept for half a minute.
 */
export function mergedCapabilities(cas: Channel, instances: InstanceNames, clock: Clock): MergedCapabilities {
  const kept = new Map<string, { readonly at: number; readonly value: Promise<re.ServerCapabilities> }>()

  function ofCas(instance: string): Promise<re.ServerCapabilities> {
    const known = kept.get(instance)
    if (known && clock.now() - known.at < keptMs) return known.value
    const value = ask(cas, instance)
    const entry = { at: clock.now(), value }
    kept.set(instance, entry)
    const [oldest] = kept.keys()
    if (oldest !== undefined && kept.size > instancesKeptMax) kept.delete(oldest)
    // A failure is not cached: the next caller tries again.
    value.catch(() => {
      if (kept.get(instance) === entry) kept.delete(instance)
    })
    return value
  }

  return {
    service: {
      name: service,
      methods: {
        GetCapabilities: {
          kind: 'unary',
          async handle(request) {
            const instance = decodeMessage(re.GetCapabilitiesRequest, request).instanceName ?? ''
            assertInstance(instance, instances)
            return re.ServerCapabilities.encode(merged(await ofCas(instance))).finish()
          },
        },
      },
    },
    async absoluteLinksAllowed() {
      const [instance = ''] = instances
      const { cacheCapabilities } = await ofCas(instance)
      return cacheCapabilities?.symlinkAbsolutePathStrategy !== disallowed
    },
  }
}

async function ask(cas: Channel, instanceName: string): Promise<re.ServerCapabilities> {
  const request = re.GetCapabilitiesRequest.encode({ instanceName }).finish()
  return re.ServerCapabilities.decode(await cas.unary(`${service}/GetCapabilities`, request, { timeoutMs: callMsMax }))
}

/**
 * Rule 33: Bazel takes a priority only from a published range. Rule 43: the digest function named there must also be in
 * the list.
 */
function merged(cas: re.ServerCapabilities): re.ServerCapabilities.$Properties {
  const functions = cas.cacheCapabilities?.digestFunctions ?? []
  return {
    ...cas,
    executionCapabilities: {
      execEnabled: true,
      digestFunction: functions.includes(sha256) ? sha256 : (functions[0] ?? sha256),
      digestFunctions: functions.length > 0 ? functions : [sha256],
      supportedNodeProperties: workerNodeProperties,
      executionPriorityCapabilities: { priorities: [{ minPriority: -(2 ** 31), maxPriority: 2 ** 31 - 1 }] },
    },
  }
}
