import { createHash, randomUUID } from 'node:crypto'
import { bytestream } from '../../src/wire/proto.ts'
import type { Channel } from '../../src/wire/rpc.ts'

const messageBytes = 1024 * 1024

export interface Blob {
  readonly hash: string
  readonly bytes: Buffer
}

/** A blob of this size that no other one is. */
export function fresh(size: number): Blob {
  const bytes = Buffer.alloc(size, 'the content of a blob ')
  bytes.write(randomUUID())
  return { hash: createHash('sha256').update(bytes).digest('hex'), bytes }
}

/** ByteStream.Read of a whole blob. */
export async function read(channel: Channel, { hash, bytes }: Blob): Promise<void> {
  const wanted = bytestream.ReadRequest.encode({ resourceName: `blobs/${hash}/${bytes.length}` }).finish()
  let received = 0
  for await (const message of channel.serverStream('google.bytestream.ByteStream/Read', wanted))
    received += message.length
  if (received < bytes.length) throw new Error(`Read gave ${received} bytes`)
}

/** ByteStream.Write of a whole blob, in messages of 1 MiB. */
export async function write(channel: Channel, { hash, bytes }: Blob): Promise<void> {
  const resourceName = `uploads/${randomUUID()}/blobs/${hash}/${bytes.length}`
  async function* messages() {
    for (let at = 0; at < bytes.length; at += messageBytes) {
      const data = bytes.subarray(at, at + messageBytes)
      const finishWrite = at + messageBytes >= bytes.length
      yield bytestream.WriteRequest.encode({ resourceName, writeOffset: at, data, finishWrite }).finish()
    }
  }
  await channel.clientStream('google.bytestream.ByteStream/Write', messages())
}
