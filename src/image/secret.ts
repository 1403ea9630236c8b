import { inspect } from 'node:util'

/** Text that no log line, error or JSON may show. */
export interface Secret {
  /** The text itself: for a header that is being sent, nothing else. */
  reveal(): string
}

const shown = '[secret]'

/** Wraps a text so that printing, inspecting or serializing what holds it does not show it. */
export function secret(text: string): Secret {
  const wrapped = { reveal: () => text, toString: () => shown, toJSON: () => shown, [inspect.custom]: () => shown }
  return Object.freeze(wrapped)
}
