import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openFolder } from '../../../src/cli/cacheprog/folder.ts'
import { createRemote } from '../../../src/cli/cacheprog/remote.ts'
import { type CacheProgCounts, serveCacheProg } from '../../../src/cli/cacheprog/serve.ts'
import { Failure } from '../../../src/core/failure.ts'
import { Code, RpcError } from '../../../src/wire/rpc.ts'
import { openRemote, type Remote } from '../../client/remote.ts'

let cluster: Remote
let folders: string[]
let warnings: string[]
beforeEach(() => {
  cluster = openRemote()
  folders = []
  warnings = []
})
afterEach(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true }))))

/** A machine of its own: one that has nothing yet. */
async function machine(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'native-cacheprog-'))
  folders.push(folder)
  return folder
}

const id = (fill: number) => Buffer.alloc(32, fill).toString('base64')
const put = (number: number, action: number, body: Buffer) =>
  `${JSON.stringify({ ID: number, Command: 'put', ActionID: id(action), OutputID: id(action + 100), BodySize: body.length })}\n` +
  (body.length > 0 ? `"${body.toString('base64')}"\n` : '')
const get = (number: number, action: number) =>
  `${JSON.stringify({ ID: number, Command: 'get', ActionID: id(action) })}\n`
const close = '{"ID":9,"Command":"close"}\n'

interface Answer {
  readonly ID: number
  readonly Miss?: boolean
  readonly Err?: string
  readonly OutputID?: string
  readonly Size?: number
  readonly Time?: string
  readonly DiskPath?: string
  readonly KnownCommands?: readonly string[]
}

/** One go command on a machine; answers by the numbers of its requests. */
async function run(
  root: string,
  requests: string,
  open = async () => createRemote(cluster.channel),
): Promise<{ answers: Map<number, Answer>; counts: CacheProgCounts }> {
  const answers = new Map<number, Answer>()
  async function* source() {
    yield Buffer.from(requests)
  }
  const counts = await serveCacheProg({
    requests: source(),
    answer(line) {
      const answer = JSON.parse(line) as Answer
      answers.set(answer.ID, answer)
    },
    folder: openFolder(root),
    openRemote: open,
    warn: (text) => warnings.push(text),
  })
  return { answers, counts }
}

describe('what one machine put', () => {
  test.each([
    ['nothing', Buffer.alloc(0)],
    ['a little', Buffer.from('output')],
    ['more than a message holds', randomBytes(9_000_000)],
  ])('another finds: %s', async (_, body) => {
    const first = await run(await machine(), get(1, 1) + put(2, 1, body) + close)
    expect(first.answers.get(0)?.KnownCommands).toEqual(['get', 'put', 'close'])
    expect(first.answers.get(1)).toEqual({ ID: 1, Miss: true })
    expect(await readFile(first.answers.get(2)?.DiskPath ?? '')).toEqual(body)
    const second = await run(await machine(), get(1, 1) + get(2, 2) + close)
    expect(second.answers.get(1)).toMatchObject({ OutputID: id(101), Size: body.length })
    expect(Math.abs(Date.parse(second.answers.get(1)?.Time ?? '') - Date.now())).toBeLessThan(60_000)
    expect(await readFile(second.answers.get(1)?.DiskPath ?? '')).toEqual(body)
    expect(second.answers.get(2)).toEqual({ ID: 2, Miss: true })
    expect(second.counts).toMatchObject({ local: 0, remote: 1, misses: 1 })
    expect(warnings).toEqual([])
  })

  test('it finds itself without asking the cluster', async () => {
    const here = await machine()
    await run(here, put(1, 1, Buffer.from('x')) + close)
    cluster.calls.clear()
    expect((await run(here, get(1, 1) + close)).counts).toMatchObject({ local: 1, remote: 0 })
    expect([...cluster.calls]).toEqual([])
  })

  test('the end of the pipe is as good as a close', async () => {
    await run(await machine(), put(1, 1, Buffer.from('x')))
    expect((await run(await machine(), get(1, 1))).counts.remote).toBe(1)
  })

  test('an output whose file was removed or cut short is fetched again', async () => {
    const here = await machine()
    const { answers } = await run(here, put(1, 1, Buffer.from('whole')) + close)
    const path = answers.get(1)?.DiskPath ?? ''
    await writeFile(path, 'who')
    expect((await run(here, get(1, 1) + close)).counts).toMatchObject({ local: 0, remote: 1 })
    expect(await readFile(path, 'utf8')).toBe('whole')
  })

  test('many at once come back each as its own', async () => {
    const all = Array.from({ length: 150 }, (_, at) => at)
    await run(await machine(), all.map((at) => put(at + 10, at, Buffer.from(`output ${at}`))).join('') + close)
    const { answers } = await run(await machine(), all.map((at) => get(at + 10, at)).join('') + close)
    for (const at of all) expect(await readFile(answers.get(at + 10)?.DiskPath ?? '', 'utf8')).toBe(`output ${at}`)
  })
})

describe('a cache that fails never fails a build', () => {
  const body = Buffer.from('x')
  const session = put(1, 1, body) + get(2, 1) + get(3, 2) + get(4, 3) + close

  test('one that cannot be reached: misses, outputs are kept here, and one warning', async () => {
    const away = async () => {
      throw new Failure('not-found', 'there is no cluster "native"')
    }
    const { answers, counts } = await run(await machine(), session, away)
    expect(counts).toMatchObject({ local: 1, remote: 0, misses: 2, puts: 1 })
    expect([...answers.values()].filter(({ Err }) => Err !== undefined)).toEqual([])
    expect(warnings).toEqual(['there is no cluster "native"; this build goes on without the cache'])
  })

  test('one that goes away in the midst of it', async () => {
    await run(await machine(), put(1, 2, body) + close)
    for (let times = 0; times < 2; times += 1)
      cluster.failNext('GetActionResult', new RpcError(Code.UNAVAILABLE, 'gone'))
    const { answers, counts } = await run(await machine(), get(1, 2) + close)
    expect(answers.get(1)).toEqual({ ID: 1, Miss: true })
    expect(counts.misses).toBe(1)
    expect(warnings).toEqual(['gone; this build goes on without the cache'])
  })

  test('one that refuses what it is given goes on answering', async () => {
    await run(await machine(), put(1, 2, body) + close)
    cluster.failNext('UpdateActionResult', new RpcError(Code.PERMISSION_DENIED, 'read only'))
    const { counts } = await run(await machine(), put(1, 1, body) + get(2, 2) + close)
    expect(counts).toMatchObject({ remote: 1, puts: 1 })
    expect(warnings).toEqual(['read only; this build goes on'])
  })

  test('one whose result is not one of ours makes a miss', async () => {
    const remote = createRemote(cluster.channel)
    const { answers } = await run(await machine(), get(1, 1) + close, async () => ({
      ...remote,
      find: async () => ({
        entry: { outputId: 'aa', digest: { fn: 'sha256', hash: '0'.repeat(64), size: 3 }, timeMs: 0 },
        contents: Buffer.from('bad'),
      }),
    }))
    expect(answers.get(1)).toEqual({ ID: 1, Miss: true })
    expect(warnings).toEqual([expect.stringContaining('not those of its digest')])
  })
})
