/**
 * Node's own HTTP. An import statement of node:http reads all that it exports, and with its WebSocket comes
 * the whole of undici: 25 ms of processor time, half of what a short command of ours takes beside Node.
 */
export const http = process.getBuiltinModule('node:http')

/** The same over TLS; loaded when it is used. */
export function https(): typeof import('node:https') {
  return process.getBuiltinModule('node:https')
}
