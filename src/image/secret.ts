import { inspect } from 'node:util'

/** Text that no log line, error or JSON may show. */
export interface Secret {
  /** The text itself: only for a header that is about to be sent. */
  reveal(): string
}

const shown = '[secret]'

/** Wraps a text so that printing, inspecting or serializing an object that holds it does not reveal it. */
export function secret(text: string): Secret {
  const wrapped = { reveal: () => text, toString: () => shown, toJSON: () => shown, [inspect.custom]: () => shown }
  return Object.freeze(wrapped)
}
