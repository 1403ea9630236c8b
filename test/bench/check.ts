import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { createActionsClient } from '../../src/client/actions.ts'
import { negotiate } from '../../src/client/capabilities.ts'
import { type CasClient, createCasClient } from '../../src/client/cas.ts'
import { execute } from '../../src/client/execute.ts'
import type { BlobSource } from '../../src/client/source.ts'
import { digestText } from '../../src/core/digest.ts'
import { digestOf } from '../../src/core/hash.ts'
import { bytestream } from '../../src/wire/proto.ts'
import { writeName } from '../../src/wire/resource.ts'
import type { Channel } from '../../src/wire/rpc.ts'
import type { Running } from './server.ts'
import { prepareAction, type Stock, withChannel } from './stock.ts'

/**
 * Asks a filled server, with our real client, for one of everything that will be timed.
 * @throws when an answer is wrong
 */
export async function checkAnswers(stock: Stock, running: Running): Promise<void> {
  await withChannel(running.cache, async (channel) => {
    const { batchBytes } = await negotiate(channel)
    const cas = createCasClient(channel, { batchBytes })
    await checkFindMissing(stock, cas)
    await checkReads(stock, cas)
    await checkWrite(channel, cas)
    await checkActionCache(stock, channel, cas)
  })
  await withChannel(running.execution, async (channel) => {
    const { action, sources } = prepareAction(['/bin/true'], { salt: randomUUID() })
    await withChannel(running.cache, (cache) => createCasClient(cache).upload(sources))
    const { error, result, cached } = await execute(channel, { action })
    assert.deepEqual(
      { error, cached, exitCode: result.exitCode ?? 0 },
      { error: undefined, cached: false, exitCode: 0 },
    )
  })
}

async function checkFindMissing(stock: Stock, cas: CasClient): Promise<void> {
  const present = stock.kib1.map((each) => each.digest)
  assert.deepEqual(await cas.findMissing([...stock.absent, ...present]), stock.absent)
}

async function checkReads({ kib1, kib64, mib16 }: Stock, cas: CasClient): Promise<void> {
  const batch = kib1.slice(0, 100)
  const found = await cas.readBlobs(batch.map((each) => each.digest))
  for (const { digest, content } of batch) assert.deepEqual(Buffer.from(found.get(digestText(digest)) ?? ''), content)
  // The stream's bytes are hashed as they come, and it throws when they are not the digest's.
  for (const { digest } of [kib1[0], kib64[0], mib16[0]] as BlobSource[]) {
    let bytes = 0
    for await (const piece of cas.readStream(digest)) bytes += piece.byteLength
    assert.equal(bytes, digest.size)
  }
}

async function checkWrite(channel: Channel, cas: CasClient): Promise<void> {
  for (const size of [10, 1024, 200_000]) {
    const data = Buffer.alloc(size, randomUUID())
    const digest = digestOf('sha256', data)
    const resourceName = writeName({ instance: '', uuid: randomUUID(), compressor: 'identity', digest })
    const request = bytestream.WriteRequest.encode({ resourceName, writeOffset: 0, finishWrite: true, data }).finish()
    const answer = await channel.clientStream('google.bytestream.ByteStream/Write', once(request))
    assert.equal(bytestream.WriteResponse.decode(answer).committedSize, size)
    assert.deepEqual(Buffer.from(await cas.readBlob(digest)), data)
  }
}

async function checkActionCache(stock: Stock, channel: Channel, cas: CasClient): Promise<void> {
  const actions = createActionsClient(channel)
  for (const [at, { action }] of stock.cached.entries()) {
    const result = await actions.get(action)
    const [output] = result?.outputFiles ?? []
    assert.equal(result?.exitCode ?? 0, 0)
    const digest = output?.digest
    assert.ok(digest)
    const bytes = await cas.readBlob({ fn: 'sha256', hash: digest.hash ?? '', size: digest.sizeBytes ?? 0 })
    assert.equal(Buffer.from(bytes).toString(), `${at}\n`)
  }
  const [absent] = stock.absent
  assert.ok(absent)
  assert.equal(await actions.get(absent), undefined)
}

async function* once(message: Uint8Array): AsyncGenerator<Uint8Array> {
  yield message
}
