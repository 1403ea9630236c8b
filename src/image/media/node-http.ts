/**
 * Node's own HTTP. Importing node:http evaluates all that it exports, and its WebSocket loads the whole of undici: 25
 * ms of processor time, half of what a short command of ours takes on top of Node.
 */
export const http = process.getBuiltinModule('node:http')

/** The same over TLS; loaded when it is used. */
export function https(): typeof import('node:https') {
  return process.getBuiltinModule('node:https')
}
