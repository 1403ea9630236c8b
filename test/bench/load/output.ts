import type { Socket } from 'node:net'

const slabBytes = 64 * 1024
/** From here on bytes are passed on as they are, not copied together with others. */
const ownWriteBytes = 4 * 1024

/** Gathers what one turn of the event loop sends into few writes. */
export interface Output {
  frame(type: number, flags: number, id: number, payload: Buffer): void
  /** The head of a frame alone; its payload follows by `bytes`. */
  head(length: number, type: number, flags: number, id: number): void
  bytes(payload: Buffer): void
  flush(): void
}

export function createOutput(socket: Socket): Output {
  let slab = Buffer.allocUnsafeSlow(slabBytes)
  /** What lies in the slab from here to `end` is not in `queue` yet. */
  let from = 0
  let end = 0
  let queue: Buffer[] = []

  const seal = () => {
    if (end > from) queue.push(slab.subarray(from, end))
    from = end
  }
  const room = (bytes: number) => {
    if (end + bytes <= slab.length) return
    seal()
    slab = Buffer.allocUnsafeSlow(slabBytes)
    from = 0
    end = 0
  }
  const bytes = (payload: Buffer) => {
    if (payload.length < ownWriteBytes) {
      room(payload.length)
      slab.set(payload, end)
      end += payload.length
      return
    }
    seal()
    queue.push(payload)
  }
  const head = (length: number, type: number, flags: number, id: number) => {
    room(9)
    slab.writeUIntBE(length, end, 3)
    slab[end + 3] = type
    slab[end + 4] = flags
    slab.writeUInt32BE(id, end + 5)
    end += 9
  }
  return {
    head,
    bytes,
    frame(type, flags, id, payload) {
      head(payload.length, type, flags, id)
      bytes(payload)
    },
    flush() {
      seal()
      if (queue.length === 0) return
      socket.cork()
      for (const each of queue) socket.write(each)
      socket.uncork()
      queue = []
    },
  }
}
