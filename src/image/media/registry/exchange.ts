/** A request exactly as sent, with nothing added implicitly. */
export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH'
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  /** wholeMsMax does not apply: it may take any time. */
  readonly isLarge?: boolean
  /** Exactly this many bytes follow. */
  readonly body?: { readonly size: number; readonly content: AsyncIterable<Uint8Array> }
}

/** A response whose body must be read, or discarded. */
export interface HttpAnswer {
  readonly status: number
  readonly url: URL
  header(name: string): string | undefined
  /** The body as it comes; ends with Failure 'unavailable' when it breaks off. */
  readonly body: AsyncIterable<Uint8Array>
  /** Skips the body: a short one is read to its end, to keep the connection; a long one closes it. */
  discard(): void
}

/** One exchange. @throws Failure 'unavailable', 'deadline'; what the request's body throws */
export type Exchange = (request: HttpRequest, signal: AbortSignal) => Promise<HttpAnswer>
