/** How many of the latest streams are remembered: 2 KiB for each connection that has closed one. */
const rememberedMax = 512

/** Who closed a stream: a client may not know yet that we did, but knows that it did itself. */
export type ClosedBy = 'us' | 'client' | 'nobody' | 'forgotten'

/**
 * How the latest streams were closed. RFC 9113, section 5.1: what still arrives for a stream that we reset was already
 * in flight; on one that the client ended or reset nothing may arrive.
 */
export class ClosedStreams {
  /** Indexed by half of the stream id, which is odd: the id, or one less if we closed it. */
  #numbers: Int32Array | undefined

  add(id: number, by: 'us' | 'client'): void {
    this.#numbers ??= new Int32Array(rememberedMax)
    this.#numbers[(id >>> 1) % rememberedMax] = by === 'us' ? id - 1 : id
  }

  /** @param lastId the highest that the client has opened; `nobody` is for one that never was */
  closedBy(id: number, lastId: number): ClosedBy {
    const number = this.#numbers?.[(id >>> 1) % rememberedMax] ?? 0
    if (number === id) return 'client'
    // For stream 1 the id less one is 0, which is also an empty slot: it is let pass.
    if (number === id - 1) return 'us'
    return lastId - id < 2 * rememberedMax ? 'nobody' : 'forgotten'
  }
}
