/** A request as it goes out, with nothing added behind its back. */
export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH'
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  /** It takes as long as it takes: wholeMsMax is not for it. */
  readonly isLarge?: boolean
  /** Exactly this many bytes follow. */
  readonly body?: { readonly size: number; readonly content: AsyncIterable<Uint8Array> }
}

/** An answer whose body must be read, or discarded. */
export interface HttpAnswer {
  readonly status: number
  readonly url: URL
  header(name: string): string | undefined
  /** The body as it comes; ends with Failure 'unavailable' when it breaks off. */
  readonly body: AsyncIterable<Uint8Array>
  /** Does without the body: a short one is read to its end, for the connection's sake, a long one ends it. */
  discard(): void
}

/** One exchange. @throws Failure 'unavailable', 'deadline'; what the request's body throws */
export type Exchange = (request: HttpRequest, signal: AbortSignal) => Promise<HttpAnswer>
