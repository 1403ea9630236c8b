import protobuf from 'protobufjs/minimal.js'
import { reservedSegments } from '../core/instance.ts'
import { Code, RpcError } from '../wire/rpc.ts'
import type { InstanceField } from './rights.ts'

const fieldOne = 1
const wireBytes = 2

/**
 * The instance that a message names; '' for none. It is field 1 of every message of the API that has one.
 * @throws RpcError INVALID_ARGUMENT when the message is malformed or names two: a handler might use the other
 */
export function instanceIn(message: Uint8Array, field: Exclude<InstanceField, 'none' | 'all'>): string {
  const text = firstField(message) ?? ''
  return field === 'resource' ? instanceOfResource(text) : text
}

/**
 * What comes before `blobs`, `uploads` and the like in a resource name; the API forbids these words within an instance
 * name.
 */
function instanceOfResource(name: string): string {
  const segments = name.split('/')
  const end = segments.findIndex((segment) => reservedSegments.has(segment))
  return segments.slice(0, Math.max(end, 0)).join('/')
}

function firstField(message: Uint8Array): string | undefined {
  let found: string | undefined
  try {
    const reader = protobuf.Reader.create(message)
    while (reader.pos < reader.len) {
      const tag = reader.uint32()
      if (tag >>> 3 !== fieldOne) reader.skipType(tag & 7)
      else if ((tag & 7) === wireBytes) {
        const text = reader.string()
        if (found !== undefined && found !== text) throw twice()
        found = text
      } else reader.skipType(tag & 7)
    }
  } catch (cause) {
    if (cause instanceof RpcError) throw cause
    throw new RpcError(Code.INVALID_ARGUMENT, 'malformed message: its fields cannot be read', [], cause)
  }
  return found
}

function twice(): RpcError {
  return new RpcError(Code.INVALID_ARGUMENT, 'malformed message: it names two instances')
}
