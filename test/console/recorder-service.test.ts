import { expect, it, onTestFinished } from 'vitest'
import { createRecording, recordMethod } from '../../src/client/record.ts'
import { createSecret } from '../../src/core/secret.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { consoleApi } from '../../src/wire/proto.ts'
import { Code } from '../../src/wire/rpc.ts'
import { signedChannel } from '../../src/wire/signed.ts'
import { blobOf } from '../fixture/blob.ts'
import { testFolder } from '../fixture/folder.ts'
import { quietLog } from '../fixture/quiet-log.ts'
import { callerOf, hit, openTestConsole } from './fixture.ts'

const secret = createSecret(Buffer.from('what the servers of one cluster know'))
const batch = consoleApi.RecordRequest.encode({ run: new Uint8Array([1]), sequence: 1 }).finish()

async function open() {
  const town = openTestConsole({ folder: await testFolder(), secret })
  onTestFinished(() => town.close())
  return town
}

it('takes nothing from those who do not know the secret of the cluster', async () => {
  const { channel } = await open()
  await expect(channel.unary(recordMethod, batch)).rejects.toMatchObject({ code: Code.PERMISSION_DENIED })
  const other = signedChannel(channel, createSecret(Buffer.from('another secret of another cluster')), recordMethod)
  await expect(other.unary(recordMethod, batch)).rejects.toMatchObject({ code: Code.UNAUTHENTICATED })
})

it('takes what is signed with it, and counts a batch that comes twice once', async () => {
  const { channel, clock, console, history, metrics } = await open()
  const signed = signedChannel(channel, secret, recordMethod)
  const sent: Uint8Array[] = []
  const recording = createRecording({
    channel: {
      ...signed,
      unary(method, request, options) {
        sent.push(request)
        return signed.unary(method, request, options)
      },
    },
    clock,
    log: quietLog,
    metrics: createMetrics(),
  })
  const caller = callerOf({ invocation: 'signed' })
  recording.recorder.lookup(caller, blobOf('a').digest, hit)
  recording.recorder.traffic(caller.metadata, 10, 20)
  await recording.close()
  await signed.unary(recordMethod, sent[0] ?? batch)
  await console.idle()
  const expected = [{ id: 'signed', hits: 1, actions: 1, bytesReceived: 10, bytesSent: 20 }]
  expect(await history.builds({ limit: 2 })).toMatchObject(expected)
  expect(await metrics.text()).toMatch(/^native_console_events_total 2$/m)
})

it('refuses a batch that the history cannot hold as it would anything malformed, and takes the next', async () => {
  const { channel, history } = await open()
  const signed = signedChannel(channel, secret, recordMethod)
  const told = (sequence: number, received: number) =>
    consoleApi.RecordRequest.encode({
      ...{ run: new Uint8Array([1]), sequence },
      clients: [Buffer.from(callerOf({ invocation: 'build' }).metadata, 'base64')],
      events: [1, 2].map((at) => ({ at, client: 1, traffic: { received } })),
    }).finish()
  // More than 63 bits, together.
  await expect(signed.unary(recordMethod, told(1, 6e18))).rejects.toMatchObject({ code: Code.INVALID_ARGUMENT })
  await signed.unary(recordMethod, told(2, 3))
  expect(await history.builds({ limit: 2 })).toMatchObject([{ id: 'build', bytesReceived: 6 }])
})
