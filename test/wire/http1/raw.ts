import { connect, type Socket } from 'node:net'

/** One answer, taken apart. */
export interface RawResponse {
  readonly status: number
  readonly fields: ReadonlyMap<string, string>
  readonly body: Buffer
}

/** A plain socket, so that a test may say whatever it wants. */
export interface RawConnection {
  readonly socket: Socket
  send(...parts: readonly (string | Uint8Array)[]): void
  /** The next answer. @param bodiless it is one to HEAD, or of a status that has no body */
  answer(bodiless?: boolean): Promise<RawResponse>
  /** All that came and is no answer that was asked for, once the server has closed the connection. */
  rest(): Promise<string>
}

/** @param address `host:port` */
export async function openRaw(address: string): Promise<RawConnection> {
  const [host = '', port] = address.split(':')
  const socket = connect(Number(port), host)
  let chunksHeld: Buffer[] = []
  let bytesHeld = 0
  let closed = false
  let wake: () => void = () => undefined
  socket.on('data', (chunk) => {
    chunksHeld.push(chunk)
    bytesHeld += chunk.length
    wake()
  })
  socket.on('error', () => undefined)
  socket.once('close', () => {
    closed = true
    wake()
  })
  await new Promise<void>((resolve) => socket.once('connect', resolve))

  function held(): Buffer {
    const [only] = chunksHeld
    const all = chunksHeld.length === 1 && only ? only : Buffer.concat(chunksHeld)
    chunksHeld = [all]
    return all
  }

  async function until(enough: () => boolean): Promise<void> {
    while (!enough()) {
      if (closed) throw new Error(`the connection was closed after: ${held().toString('latin1').slice(0, 500)}`)
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  }

  async function take(bytes: number): Promise<Buffer> {
    await until(() => bytesHeld >= bytes)
    const all = held()
    chunksHeld = [all.subarray(bytes)]
    bytesHeld -= bytes
    return all.subarray(0, bytes)
  }

  async function line(): Promise<string> {
    await until(() => held().includes('\r\n'))
    const text = await take(held().indexOf('\r\n') + 2)
    return text.toString('latin1').slice(0, -2)
  }

  async function chunks(): Promise<Buffer> {
    const all: Buffer[] = []
    for (;;) {
      const length = Number.parseInt(await line(), 16)
      all.push(await take(length))
      await line()
      if (length === 0) return Buffer.concat(all)
    }
  }

  async function answer(bodiless = false): Promise<RawResponse> {
    const [, status = ''] = (await line()).split(' ')
    const fields = new Map<string, string>()
    for (let field = await line(); field !== ''; field = await line()) {
      const [name = '', ...value] = field.split(':')
      fields.set(name.toLowerCase(), value.join(':').trim())
    }
    const none = bodiless || status.startsWith('1') || status === '204' || status === '304'
    const chunked = fields.get('transfer-encoding') === 'chunked'
    const length = Number(fields.get('content-length') ?? 0)
    const body = none ? Buffer.alloc(0) : chunked ? await chunks() : await take(length)
    return { status: Number(status), fields, body }
  }

  return {
    socket,
    send(...parts) {
      for (const part of parts) socket.write(part)
    },
    answer,
    async rest() {
      while (!closed)
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      return held().toString('latin1')
    },
  }
}
