import type { RequestHead } from '../stream.ts'
import type { Field } from './field.ts'

/** Connection-specific fields, which HTTP/2 does not allow (RFC 9113, section 8.2.2). */
const connectionFields: ReadonlySet<string> = new Set([
  'connection',
  'proxy-connection',
  'keep-alive',
  'transfer-encoding',
  'upgrade',
])

/** A request's headers. */
export interface Head extends RequestHead {
  /** The length that the body must have, if the client declared it. */
  readonly contentLength: number | undefined
}

/** Reads the fields that decide about a request; undefined if they are malformed (section 8.1.1). */
export function readHead(fields: readonly Field[]): Head | undefined {
  const head = new FieldHead(fields)
  return head.sound ? head : undefined
}

/** Trailers of a request must not contain pseudo headers. gRPC clients send none. */
export function soundTrailers(fields: readonly Field[]): boolean {
  return fields.every(({ name, sound }) => sound && !name.startsWith(':'))
}

class FieldHead implements Head {
  readonly #fields: readonly Field[]
  sound = true
  method = ''
  path = ''
  contentType = ''
  timeout: string | undefined
  encoding: string | undefined
  authorization: string | undefined
  contentLength: number | undefined
  #scheme = ''
  #regular = false
  #authority: string | undefined

  constructor(fields: readonly Field[]) {
    this.#fields = fields
    for (const each of fields) this.#take(each)
    if (this.method === '' || this.#scheme === '' || this.path === '') this.sound = false
  }

  metadata(): ReadonlyMap<string, string> {
    const map = new Map<string, string>()
    for (const { name, value } of this.#fields) {
      if (name.startsWith(':')) continue
      const earlier = map.get(name)
      map.set(name, earlier === undefined ? value : `${earlier},${value}`)
    }
    return map
  }

  field(name: string): string | undefined {
    let found: string | undefined
    for (const each of this.#fields)
      if (each.name === name) found = found === undefined ? each.value : `${found},${each.value}`
    return found
  }

  #take({ name, value, sound }: Field): void {
    if (!sound) this.sound = false
    if (name.charCodeAt(0) === 0x3a) this.#takePseudo(name, value)
    else {
      this.#regular = true
      this.#takeRegular(name, value)
    }
  }

  #takePseudo(name: string, value: string): void {
    // Each at most once, before all regular fields, and only those of a request.
    if (this.#regular) this.sound = false
    if (name === ':path') {
      if (this.path !== '') this.sound = false
      this.path = value
    } else if (name === ':method') {
      if (this.method !== '') this.sound = false
      this.method = value
    } else if (name === ':scheme') {
      if (this.#scheme !== '') this.sound = false
      this.#scheme = value
    } else if (name === ':authority') {
      if (this.#authority !== undefined) this.sound = false
      this.#authority = value
    } else this.sound = false
  }

  #takeRegular(name: string, value: string): void {
    switch (name) {
      case 'content-type':
        this.contentType = value
        return
      case 'grpc-timeout':
        this.timeout = value
        return
      case 'grpc-encoding':
        this.encoding = value
        return
      case 'authorization':
        this.authorization = value
        return
      case 'te':
        if (value !== 'trailers') this.sound = false
        return
      case 'content-length':
        this.contentLength = Number(value)
        if (!/^\d{1,15}$/.test(value)) this.sound = false
        return
      default:
        if (connectionFields.has(name)) this.sound = false
    }
  }
}
