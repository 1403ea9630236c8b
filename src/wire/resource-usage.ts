import { Failure } from '../core/failure.ts'
import { packAny, unpackAny } from './any.ts'
import { decodeMessage } from './decode.ts'
import { type re, workerApi } from './proto.ts'
import type { Detail } from './rpc.ts'
import { fromDuration, toDuration } from './time.ts'

/** What an action used, as far as that was measured. */
export interface ResourceUsage {
  /** Processor time of all its processes together, in milliseconds: in their own code, and in the kernel's. */
  readonly userMs?: number | undefined
  readonly systemMs?: number | undefined
  /** The most memory at a time, in bytes. */
  readonly peakMemoryBytes?: number | undefined
}

const typeName = 'native.worker.v1.ResourceUsage'

/** For the auxiliary metadata of a result; empty if nothing was measured. */
export function packUsage({ userMs, systemMs, peakMemoryBytes }: ResourceUsage): Detail[] {
  const message = {
    ...(userMs !== undefined && { userTime: toDuration(userMs) }),
    ...(systemMs !== undefined && { systemTime: toDuration(systemMs) }),
    ...(peakMemoryBytes !== undefined && { peakMemoryBytes }),
  }
  const value = workerApi.ResourceUsage.encode(message).finish()
  return value.length === 0 ? [] : [packAny(typeName, value)]
}

/** What a result says of its action; empty if it says nothing, or nothing that can be true: any client may write results. */
export function usageIn({ executionMetadata }: re.ActionResult.$Properties): ResourceUsage {
  for (const any of executionMetadata?.auxiliaryMetadata ?? []) {
    const bytes = unpackAny(any, typeName)
    if (bytes) return usageOf(bytes)
  }
  return {}
}

function usageOf(bytes: Uint8Array): ResourceUsage {
  try {
    const { userTime, systemTime, peakMemoryBytes } = decodeMessage(workerApi.ResourceUsage, bytes)
    const [userMs, systemMs] = [userTime, systemTime].map((time) => (time ? fromDuration(time) : undefined))
    const isPossible = (userMs ?? 0) >= 0 && (systemMs ?? 0) >= 0 && peakMemoryBytes >= 0
    return isPossible ? { userMs, systemMs, peakMemoryBytes: peakMemoryBytes || undefined } : {}
  } catch (error) {
    if (error instanceof Failure) return {}
    throw error
  }
}
