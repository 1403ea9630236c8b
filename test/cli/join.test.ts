import { describe, expect, onTestFinished, test } from 'vitest'
import { awaitEnd, joinUrl, untilEnded } from '../../src/cli/join.ts'
import type { Driver } from '../../src/cluster/driver.ts'
import { eventually } from '../fixture/eventually.ts'

test.each([
  ['grpcs://build.example.com:50052', 'grpcs://build.example.com:50052'],
  ['build.example.com:50052', 'grpcs://build.example.com:50052'],
  ['buildhost:50052', 'grpcs://buildhost:50052'],
  ['buildhost', 'grpcs://buildhost:443'],
  ['10.0.0.5:50052', 'grpcs://10.0.0.5:50052'],
  ['[fd00::5]:50052', 'grpcs://[fd00::5]:50052'],
])('the address %s is that of %s', (text, url) => {
  expect(joinUrl(text)).toBe(url)
})

test.each([
  ['grpc://buildhost:50052', 'a machine can only join over TLS'],
  ['unix:/run/native/scheduler.sock', 'a socket is reached by programs of its own machine alone'],
  ['https://buildhost:50052', 'expected grpc://HOST:PORT'],
  ['buildhost:port', 'expected grpc://HOST:PORT'],
  ['', 'expected grpc://HOST:PORT'],
])('%j cannot be joined', (text, message) => {
  expect(() => joinUrl(text)).toThrow(message)
})

describe('a worker in the foreground', () => {
  type Status = Awaited<ReturnType<Driver['status']>>
  const joined = { scheduler: 'grpcs://buildhost:50052', cas: 'grpcs://buildhost:50051', worker: 'laptop' }

  /** Answers one after the other, the last one again and again; of a text, that it is the problem. */
  function statuses(...all: readonly (Status['joined'] | Error | string)[]): Pick<Driver, 'status'> {
    let at = 0
    return {
      async status() {
        const next = all[Math.min(at, all.length - 1)] ?? null
        at += 1
        if (next instanceof Error) throw next
        return (typeof next === 'string'
          ? { joined, problems: [next] }
          : { joined: next, problems: [] }) as Partial<Status> as Status
      },
    }
  }

  test('goes on where its state cannot be had for a while, and says so once', async () => {
    const told: string[] = []
    const away = new Error('the supervisor hung up')
    const driver = statuses(joined, away, away, joined, null)
    expect(await untilEnded(driver, new AbortController().signal, (text) => told.push(text), 1)).toBe(true)
    expect(told).toEqual(['cannot read the state of the worker: the supervisor hung up'])
  })

  test('says what is wrong with the worker or its supervisor, when it begins', async () => {
    const told: string[] = []
    const hangs = 'the supervisor does not answer'
    const driver = statuses(joined, hangs, hangs, 'the worker does not answer yet', joined, hangs, null)
    expect(await untilEnded(driver, new AbortController().signal, (text) => told.push(text), 1)).toBe(true)
    expect(told).toEqual([hangs, 'the worker does not answer yet', hangs])
  })

  test('ends when it is asked to, by a signal that came before anybody waited for it too', async () => {
    const end = awaitEnd()
    onTestFinished(() => end.close())
    process.kill(process.pid, 'SIGTERM')
    await eventually(
      async () => end.asked.aborted,
      (aborted) => aborted,
    )
    expect(await untilEnded(statuses(joined), end.asked, () => undefined)).toBe(false)
  })
})
