import { Failure } from '../core/failure.ts'
import { packAny, unpackAny } from './any.ts'
import { decodeMessage } from './decode.ts'
import { type re, workerApi } from './proto.ts'
import type { Call, Detail } from './rpc.ts'

const header = 'native-not-on-bin'
const typeName = 'native.worker.v1.SameWorker'
/** Longer names belong to no worker. */
const nameLengthMax = 1024

/**
 * Metadata of an Execute whose action is not to run on this worker as long as another may come free. Only our scheduler
 * knows it, and where the action joins an identical one it has no effect.
 */
export function notOn(worker: string): Readonly<Record<string, string>> {
  return worker === '' ? {} : { [header]: Buffer.from(worker).toString('base64') }
}

/** The worker that an Execute is to avoid; empty if none. */
export function avoidedBy(call: Pick<Call, 'header'>): string {
  const value = call.header(header) ?? ''
  return value.length > nameLengthMax ? '' : Buffer.from(value, 'base64').toString()
}

/** For the auxiliary metadata of a result: why the action ran on the worker that it was to avoid. */
export function packSameWorker(onlyWorker: boolean): Detail {
  return packAny(typeName, workerApi.SameWorker.encode({ onlyWorker }).finish())
}

/** Was there no worker but the one to be avoided? False also if the result does not say. */
export function wasOnlyWorker({ executionMetadata }: re.ActionResult.$Properties): boolean {
  try {
    return (executionMetadata?.auxiliaryMetadata ?? []).some((any) => {
      const bytes = unpackAny(any, typeName)
      return bytes !== undefined && decodeMessage(workerApi.SameWorker, bytes).onlyWorker
    })
  } catch (error) {
    // Any client may write results.
    if (error instanceof Failure) return false
    throw error
  }
}
