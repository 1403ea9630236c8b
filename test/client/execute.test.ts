import { describe, expect, test } from 'vitest'
import { type ExecuteOptions, execute, missingDigests, type Progress } from '../../src/client/execute.ts'
import type { Digest } from '../../src/core/digest.ts'
import { packAny } from '../../src/wire/any.ts'
import { bytestream, longrunning, re, rpc } from '../../src/wire/proto.ts'
import { Code, RpcError, type Send } from '../../src/wire/rpc.ts'
import { missingBlobs, noWorkerCame, retryLater, statusMessage } from '../../src/wire/status.ts'
import { blobOf } from '../fixture/blob.ts'
import { memoryChannel } from '../fixture/memory-channel.ts'
import { promptClock } from './remote.ts'

const action = blobOf('action').digest
const lost = () => new RpcError(Code.UNAVAILABLE, 'the scheduler is restarting')

function operation(stage: number, more: longrunning.Operation.$Properties = {}, metadata: object = {}): Uint8Array {
  const value = re.ExecuteOperationMetadata.encode({ stage, ...metadata }).finish()
  return longrunning.Operation.encode({
    name: 'operations/1',
    metadata: packAny('build.bazel.remote.execution.v2.ExecuteOperationMetadata', value),
    ...more,
  }).finish()
}

function done(response: re.ExecuteResponse.$Properties): Uint8Array {
  const value = re.ExecuteResponse.encode(response).finish()
  return operation(4, { done: true, response: packAny('build.bazel.remote.execution.v2.ExecuteResponse', value) })
}

type Turn = (send: Send, signal: AbortSignal) => void | Promise<void>

/** A server whose every call is scripted: each line is a method's name and what it does. */
function scripted(script: [method: string, turn: Turn][], stdout: readonly string[] = []) {
  const called: string[] = []
  const cancelled: string[] = []
  const next = (method: string) => async (_request: Buffer, call: { signal: AbortSignal }, send: Send) => {
    called.push(method)
    const line = script.shift()
    if (line?.[0] !== method) throw new RpcError(Code.INTERNAL, `unexpected ${method}`)
    await line[1](send, call.signal)
  }
  const channel = memoryChannel([
    {
      name: 'build.bazel.remote.execution.v2.Execution',
      methods: {
        Execute: { kind: 'server-stream', handle: next('Execute') },
        WaitExecution: { kind: 'server-stream', handle: next('WaitExecution') },
      },
    },
    {
      name: 'google.longrunning.Operations',
      methods: {
        CancelOperation: {
          kind: 'unary',
          handle(request) {
            cancelled.push(longrunning.CancelOperationRequest.decode(request).name)
            return new Uint8Array()
          },
        },
      },
    },
    {
      name: 'google.bytestream.ByteStream',
      methods: {
        Read: {
          kind: 'server-stream',
          async handle(_request, _call, send) {
            for (const text of stdout) await send(bytestream.ReadResponse.encode({ data: Buffer.from(text) }).finish())
          },
        },
      },
    },
  ])
  const start = (options: Partial<ExecuteOptions> = {}) =>
    execute(channel, { action, ...options }, { clock: promptClock })
  return { start, called, cancelled }
}

describe('execute', () => {
  test('tells each stage and gives the result', async () => {
    const seen: Progress[] = []
    const { start } = scripted([
      [
        'Execute',
        async (send) => {
          await send(operation(2))
          await send(operation(3, {}, { partialExecutionMetadata: { worker: 'w1' } }))
          await send(done({ result: { exitCode: 3 }, cachedResult: true, message: 'hello' }))
        },
      ],
    ])
    const executed = await start({ onProgress: (progress) => seen.push(progress) })
    expect(executed).toMatchObject({ cached: true, message: 'hello', error: undefined, operation: 'operations/1' })
    expect(executed.result.exitCode).toBe(3)
    expect(seen.map((each) => each.stage)).toEqual(['queued', 'executing', 'completed'])
    expect(seen[1]?.worker).toBe('w1')
  })

  test('a broken stream is taken up with WaitExecution', async () => {
    const { start, called } = scripted([
      [
        'Execute',
        async (send) => {
          await send(operation(3))
          throw lost()
        },
      ],
      ['WaitExecution', (send) => send(done({ result: {} }))],
    ])
    await start()
    expect(called).toEqual(['Execute', 'WaitExecution'])
  })

  test('rule 28: an operation that the server has forgotten is begun anew', async () => {
    const { start, called } = scripted([
      [
        'Execute',
        async (send) => {
          await send(operation(2))
          throw lost()
        },
      ],
      [
        'WaitExecution',
        () => {
          throw new RpcError(Code.NOT_FOUND, 'no such operation')
        },
      ],
      ['Execute', (send) => send(done({ result: {} }))],
    ])
    await start()
    expect(called).toEqual(['Execute', 'WaitExecution', 'Execute'])
  })

  test('rule 27: streams that end without an answer are not waited for without end', async () => {
    const waits = Array.from({ length: 20 }, (): [string, Turn] => ['WaitExecution', () => undefined])
    const { start, called } = scripted([['Execute', (send) => send(operation(2))], ...waits])
    await expect(start()).rejects.toMatchObject({ code: Code.UNAVAILABLE })
    expect(called).toHaveLength(5)
  })

  test('rule 25: what the server lacks is sent and the action tried again', async () => {
    const missing = [blobOf('a').digest, blobOf('b').digest]
    const asked: (readonly Digest[])[] = []
    const error = missingBlobs(missing, 'missing')
    const { start, called } = scripted([
      [
        'Execute',
        () => {
          throw error
        },
      ],
      ['Execute', (send) => send(done({ status: statusMessage(error) }))],
      ['Execute', (send) => send(done({ result: {} }))],
    ])
    await start({ onMissing: async (digests) => void asked.push(digests) })
    expect(called).toHaveLength(3)
    expect(asked).toEqual([missing, missing])
  })

  test('rule 25: another violation than MISSING is not cured by an upload', () => {
    const violations = [
      { type: 'MISSING', subject: `blobs/${action.hash}/${action.size}` },
      { type: 'OTHER', subject: 'x' },
    ]
    const value = rpc.PreconditionFailure.encode({ violations }).finish()
    const error = new RpcError(Code.FAILED_PRECONDITION, 'no', [packAny('google.rpc.PreconditionFailure', value)])
    expect(missingDigests(error)).toEqual([])
  })

  test('rule 44: a response that asks for it is tried again', async () => {
    const { start, called } = scripted([
      ['Execute', (send) => send(done({ status: statusMessage(retryLater('draining', 1)) }))],
      ['Execute', (send) => send(done({ result: {} }))],
    ])
    expect((await start()).error).toBeUndefined()
    expect(called).toHaveLength(2)
  })

  test('rule 26: a server that has waited for a worker is not asked to wait again', async () => {
    const { start, called } = scripted([
      ['Execute', (send) => send(done({ status: statusMessage(noWorkerCame('no worker came within 60 s')) }))],
    ])
    expect((await start()).error).toMatchObject({ code: Code.UNAVAILABLE, message: 'no worker came within 60 s' })
    expect(called).toHaveLength(1)
  })

  test('rule 31: a time-out is the answer, with what the action had written', async () => {
    const status = { code: Code.DEADLINE_EXCEEDED, message: 'timed out' }
    const { start } = scripted([
      ['Execute', (send) => send(done({ status, result: { stdoutRaw: Buffer.from('so far') } }))],
    ])
    const executed = await start()
    expect(executed.error).toMatchObject({ code: Code.DEADLINE_EXCEEDED })
    expect(Buffer.from(executed.result.stdoutRaw ?? []).toString()).toBe('so far')
  })

  test('a refusal is thrown at once', async () => {
    const { start, called } = scripted([
      [
        'Execute',
        () => {
          throw new RpcError(Code.INVALID_ARGUMENT, 'no')
        },
      ],
    ])
    await expect(start()).rejects.toMatchObject({ code: Code.INVALID_ARGUMENT })
    expect(called).toHaveLength(1)
  })

  test('a caller that leaves has its operation cancelled', async () => {
    const controller = new AbortController()
    const { start, cancelled } = scripted([
      [
        'Execute',
        async (send, signal) => {
          await send(operation(3))
          await new Promise((resolve) => signal.addEventListener('abort', resolve))
        },
      ],
    ])
    await expect(start({ signal: controller.signal, onProgress: () => controller.abort() })).rejects.toMatchObject({
      code: Code.CANCELLED,
    })
    expect(cancelled).toEqual(['operations/1'])
  })

  test('standard output is followed where the server offers it', async () => {
    const pieces: string[] = []
    const { promise: both, resolve } = Promise.withResolvers<void>()
    const { start } = scripted(
      [
        [
          'Execute',
          async (send) => {
            await send(operation(3, {}, { stdoutStreamName: 'streams/1/stdout' }))
            await both
            await send(done({ result: {} }))
          },
        ],
      ],
      ['one ', 'two'],
    )
    const executed = await start({
      onOutput: (_stream, bytes) => {
        pieces.push(Buffer.from(bytes).toString())
        if (pieces.length === 2) resolve()
      },
    })
    expect(pieces.join('')).toBe('one two')
    expect(executed.followed).toEqual({ stdout: 7, stderr: 0 })
  })
})
