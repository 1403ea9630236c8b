import { mkdtempSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { createCasClient } from '../../src/client/cas.ts'
import { createRecording } from '../../src/client/record.ts'
import { Failure } from '../../src/core/failure.ts'
import type { RunningOutput, SchedulerView } from '../../src/core/scheduler-view.ts'
import { createExplanations } from '../../src/explain/explanations.ts'
import { createPages, type Pages } from '../../src/page/handler.ts'
import { routeOf } from '../../src/page/route.ts'
import { createRoutes } from '../../src/page/routes.ts'
import { bep, re } from '../../src/wire/proto.ts'
import { packUsage } from '../../src/wire/resource-usage.ts'
import type { Channel, RpcServer } from '../../src/wire/rpc.ts'
import { listen } from '../../src/wire/server.ts'
import { finished, patterns, printed, type Sent, started, target, tell } from '../console/bes-client.ts'
import { absent, callerOf, hit, openTestConsole, ran } from '../console/fixture.ts'
import { blobOf } from '../fixture/blob.ts'
import { eventually } from '../fixture/eventually.ts'
import { noStore } from '../fixture/no-store.ts'
import { quietLog } from '../fixture/quiet-log.ts'

const hostile = '<script>alert(1)</script>&"\''
const times = {
  queuedTimestamp: { seconds: 1_800_000_000 },
  workerStartTimestamp: { seconds: 1_800_000_001 },
  inputFetchStartTimestamp: { seconds: 1_800_000_001 },
  inputFetchCompletedTimestamp: { seconds: 1_800_000_002 },
  executionStartTimestamp: { seconds: 1_800_000_002 },
  executionCompletedTimestamp: { seconds: 1_800_000_005 },
  outputUploadStartTimestamp: { seconds: 1_800_000_005 },
  outputUploadCompletedTimestamp: { seconds: 1_800_000_006 },
  workerCompletedTimestamp: { seconds: 1_800_000_006 },
}

const nothing = { bytes: new Uint8Array(), before: 0 }
const nothingPrinted: RunningOutput = { stdout: nothing, stderr: nothing, isComplete: false, whyUnheard: undefined }

describe('the page', () => {
  let folder: string
  let server: RpcServer
  let it: ReturnType<typeof openTestConsole>
  let pages: Pages
  /** What the scheduler says; it is away while this is undefined. */
  let view: SchedulerView | undefined
  let results: Map<string, re.ActionResult>
  /** What an action prints, by its hash. */
  let printing: Map<string, RunningOutput>
  /** The actions that pages have had followed. */
  let followed: Set<string>

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'native-page-'))
    it = openTestConsole({ folder })
    view = undefined
    results = new Map()
    printing = new Map()
    followed = new Set()
    const client = createCasClient(it.cas)
    pages = createPages({
      history: it.console.history,
      explanations: it.console.explanations,
      clock: it.clock,
      script: 'start()',
      scheduler: async () => view ?? Promise.reject(new Failure('unavailable', 'the scheduler does not answer')),
      running: {
        of: (hash) => {
          followed.add(hash)
          return printing.get(hash) ?? nothingPrinted
        },
        held: (hash) => printing.get(hash),
      },
      contents: {
        result: async ({ hash }) => results.get(hash),
        read: (digest, _, signal) => client.readStream(digest, signal),
      },
    })
    server = await listen([], { address: '127.0.0.1:0', log: quietLog, http: pages.handle })
  })
  afterEach(async () => {
    pages.endStreams()
    await server.close()
    it.close()
    rmSync(folder, { recursive: true })
  })

  /** What a browser that follows no redirects gets. */
  function get(path: string, headers: Record<string, string> = {}, method = 'GET') {
    return new Promise<{ status: number; text: string; headers: Record<string, unknown> }>((resolve, reject) => {
      const [host, port] = server.address.split(':')
      const asked = request({ host, port, path, method, headers }, (answer) => {
        let text = ''
        answer.setEncoding('utf8').on('data', (data: string) => {
          text += data
        })
        answer.once('end', () => resolve({ status: answer.statusCode ?? 0, text, headers: answer.headers }))
      })
      asked.once('error', reject).end()
    })
  }

  async function build(invocation: string, argument: string, exitCode = 0): Promise<string> {
    const digest = await it.action({ argument, outputs: ['bin/lib.o'] })
    const caller = callerOf({ invocation, target: `//app:${hostile}`, mnemonic: 'CppCompile', configuration: 'c' })
    it.recorder.lookup(caller, digest, absent)
    it.recorder.execution(caller, digest, ran({ exitCode, message: '', metadata: { worker: 'worker-1', ...times } }))
    await it.settled()
    return digest.hash
  }

  /** A scheduler that has one action, which runs. */
  function running(hash: string): SchedulerView {
    const operation = {
      ...{ name: 'one', action: { hash, size: 9 }, createdAt: it.clock.now(), worker: 'worker-1', priority: 0 },
      ...{ tool: 'bazel', target: `//a:${hostile}`, mnemonic: 'M', why: 'runs on worker-1' },
    }
    return { workers: [], queues: [], queued: 0, executing: 1, draining: false, operations: [operation] }
  }

  test('without builds it says how to make one', async () => {
    const { status, text } = await get('/')
    expect(status).toBe(200)
    expect(text).toContain('No build has been seen yet')
  })

  test('builds, a build with its sentence and causes, and an action with its command and what it was before', async () => {
    await build('aaaa1111', '--token=hunter2')
    it.clock.advance(60_000)
    const hash = await build('bbbb2222', `--define=${hostile}`, 3)
    expect((await get('/')).text).toMatch(/bbbb2222[\s\S]*aaaa1111/)
    const { text } = await get('/build/bbbb')
    expect(text).toContain('1 action in')
    expect(text).toContain('argument --token=(hidden) became')
    expect(text).toContain('failed, exit code 3')
    expect(text).toContain('running 3 s')
    expect(text).toContain('worker-1')
    const action = (await get(`/build/bbbb2222/action/${hash}`)).text
    expect(action).toContain(' by worker-1')
    expect(action).toContain('tool')
    expect(action).toMatch(/<h2>Earlier runs<\/h2>[\s\S]*aaaa1111/)
    for (const each of [text, action, (await get('/build/bbbb2222/actions')).text]) {
      expect(each).not.toContain('<script>')
      expect(each).not.toContain('hunter2')
      expect(each).toContain('&lt;script&gt;')
    }
  })

  test('what a client told: command, result, tests, targets, output and options, all of it as text', async () => {
    const log = await it.log(`FAILED ${hostile}\n\u001b[31mAPI_TOKEN=hunter2\n`)
    const uri = (hash: string, size: number) => `bytestream://127.0.0.1:9/main/blobs/${hash}/${size}`
    const result: Sent = {
      id: { testResult: { label: `//t:${hostile}`, run: 1, shard: 1, attempt: 1 } },
      testResult: {
        status: bep.TestStatus.FAILED,
        testActionOutput: [
          { name: 'test.log', uri: uri(log.hash, log.size) },
          { name: 'gone.log', uri: uri('a'.repeat(64), 3) },
          { name: 'local.log', uri: 'file:///tmp/test.log' },
        ],
      },
    }
    const options: Sent = { optionsParsed: { explicitCmdLine: ['--remote_header=x-key=hunter2', hostile] } }
    const failed = finished(3, 'TESTS_FAILED')
    const events = [
      started('test'),
      patterns(hostile),
      options,
      printed(`${hostile}\n`),
      target(hostile, false),
      result,
      failed,
    ]
    await tell(it.channel, 'eeee5555', events)
    const { text } = await get('/build/eeee5555')
    expect(text).toContain('Result: tests failed')
    // The log that is there is shown at once, below the test.
    expect(text).toMatch(/<details id="test-log-\d+" open>[^\n]*what it printed[\s\S]*API_TOKEN=\(hidden\)/)
    expect(text).toContain('was asked for any action')
    expect(text).not.toContain('Everything was cached')
    expect(text).toContain('--remote_header=x-key=(hidden)')
    const logs = [...text.matchAll(/href="(\/build\/eeee5555\/log\/[^"]+)"/g)].map(([, path]) => path ?? '')
    const shown = await Promise.all(logs.map(async (path) => (await get(path)).text))
    expect(shown[0]).toContain('API_TOKEN=(hidden)')
    expect(shown[1]).toContain('The cache of this cluster does not have it')
    expect(shown[2]).toContain('It is on the machine of the client')
    for (const each of [text, ...shown, (await get('/')).text]) {
      expect(each).not.toContain('<script>')
      expect(each).not.toContain('hunter2')
      expect(each).not.toContain('\u001b')
    }
    expect((await get('/')).text).toContain('tests failed')
    for (const path of ['/build/eeee5555/log/99/0', '/build/eeee5555/log/1/9', '/build/eeee5555/action-log/1/0'])
      expect((await get(path)).status).toBe(404)
  })

  test('a build that goes on is not explained at each of its actions, and whole once it has ended', async () => {
    await build('aaaa1111', 'a')
    const counted = async () => /<p class="lead">(\d) action/.exec((await get('/build/aaaa')).text)?.[1]
    expect(await counted()).toBe('1')
    await build('aaaa1111', 'b')
    expect(await counted()).toBe('1')
    it.clock.advance(3_000)
    expect(await counted()).toBe('2')
  })

  test('what is said while actions are still to be read gives way to what is known then', async () => {
    await build('aaaa1111', 'a')
    it.clock.advance(60_000)
    const digest = await it.action({ argument: 'b', outputs: ['bin/lib.o'] })
    // A cache that is slow to answer the reader.
    const { unary } = it.cas
    const answers = Promise.withResolvers<void>()
    it.cas.unary = async (...asked) => {
      await answers.promise
      return await unary(...asked)
    }
    const caller = callerOf({ invocation: 'bbbb2222', target: `//app:${hostile}`, mnemonic: 'CppCompile' })
    it.recorder.lookup(caller, digest, absent)
    it.recorder.execution(caller, digest, ran())
    it.clock.advance(250)
    const isSeen = async () => (await it.console.history.builds({ limit: 1, idPrefix: 'bbbb2222' })).length
    await eventually(isSeen, (count) => count === 1)
    // It has ended.
    it.clock.advance(3_000)
    expect((await get('/build/bbbb2222')).text).not.toContain('argument a became b')
    answers.resolve()
    await it.settled()
    expect((await get('/build/bbbb2222')).text).toContain('argument a became b')
  })

  test('what the scheduler tells late, of no later moment than the cache has told, is explained too', async () => {
    await build('aaaa1111', 'a')
    it.clock.advance(60_000)
    const digest = await it.action({ argument: 'b', outputs: ['bin/lib.o'] })
    const caller = callerOf({ invocation: 'bbbb2222', target: `//app:${hostile}`, mnemonic: 'CppCompile' })
    const told = Promise.withResolvers<void>()
    const channel: Channel = { ...it.channel, unary: (...asked) => told.promise.then(() => it.channel.unary(...asked)) }
    const { clock, metrics } = it
    const late = createRecording({ channel, clock, log: quietLog, metrics })
    it.recorder.lookup(caller, digest, absent)
    late.recorder.execution(caller, digest, ran())
    await it.settled()
    // It has ended, for all that is known.
    it.clock.advance(3_000)
    expect((await get('/build/bbbb2222')).text).not.toContain('argument a became b')
    told.resolve()
    await it.settled()
    expect((await get('/build/bbbb2222')).text).toContain('argument a became b')
  })

  test('it does not wait for an explanation that takes long, and a page that is open hears when it is there', async () => {
    await build('aaaa1111', 'a')
    it.clock.advance(120_000)
    await build('bbbb2222', 'b')
    let made = Promise.withResolvers<void>()
    const history: typeof it.console.history = {
      ...it.console.history,
      comparable: (...asked) => made.promise.then(() => it.console.history.comparable(...asked)),
    }
    const explanations = createExplanations(history, it.clock, noStore)
    onTestFinished(() => explanations.close())
    const contents = { result: async () => undefined, read: () => [] as never }
    const routes = createRoutes({ history, contents }, explanations, it.clock)
    for (const query of ['', 'against=aaaa']) {
      made = Promise.withResolvers<void>()
      const route = routeOf({ path: '/build/bbbb2222', query })
      const shown = async () => {
        const answering = routes.answer(route, new AbortController().signal)
        const answer = await eventually(
          async () => {
            it.clock.advance(50)
            return await Promise.race([
              answering,
              new Promise<undefined>((resolve) => setImmediate(resolve, undefined)),
            ])
          },
          (answer) => answer !== undefined,
        )
        return (answer && 'text' in answer && answer.text) || ''
      }
      const first = await shown()
      expect(first).toContain('1 action in')
      expect(first).toContain('The causes are being looked for.')
      expect(first).toMatch(/ data-live/)
      const before = await routes.state(route)
      made.resolve()
      await eventually(
        () => routes.state(route),
        (state) => state !== before,
      )
      expect(await shown()).toContain('argument a became b')
    }
  })

  test('a comparison with a build is made once, and not to its end when nobody waits for it', async () => {
    await build('aaaa1111', 'a')
    it.clock.advance(60_000)
    await build('bbbb2222', 'b')
    it.clock.advance(3_000)
    const { history } = it.console
    const explanations = createExplanations(history, it.clock, noStore)
    const [made] = await history.builds({ limit: 1 })
    if (!made) throw new Error('there is one')
    const [leaving, staying] = [new AbortController(), new AbortController()]
    const against = 'aaaa1111'
    const both = [leaving, staying].map(({ signal }) => explanations.of(made, { against, signal }))
    leaving.abort()
    // Somebody else still waits for it.
    expect(await both[1]).toBe(await both[0])
    expect(await explanations.of(made, { against })).toBe(await both[1])
    expect(await explanations.of(made)).not.toBe(await both[1])
    const alone = explanations.of(made, { against: 'nothing', signal: leaving.signal })
    await expect(alone).rejects.toMatchObject({ kind: 'cancelled' })
    const ended = explanations.of(made, { against: 'nothing' })
    explanations.close()
    await expect(ended).rejects.toMatchObject({ kind: 'unavailable' })
  })

  test('a build is followed for a while after its end, since more is heard of it', async () => {
    await tell(it.channel, 'eeee5555', [started('build'), finished(0, 'SUCCESS')])
    const isFollowed = async () => / data-live/.test((await get('/build/eeee5555')).text)
    expect(await isFollowed()).toBe(true)
    it.clock.advance(9_000)
    expect(await isFollowed()).toBe(true)
    it.clock.advance(2_000)
    expect(await isFollowed()).toBe(false)
  })

  test('what was cached is not explained', async () => {
    const digest = await it.action({ argument: 'a' })
    const caller = callerOf({ invocation: 'cccc3333', target: '//a', mnemonic: 'Genrule' })
    it.recorder.lookup(caller, digest, hit)
    await it.settled()
    expect((await get('/build/cccc')).text).toContain('Everything was cached.')
    expect((await get(`/build/cccc/action/${digest.hash}`)).text).not.toContain('Why it was not cached')
  })

  test('a search leads to a build, an action, or a list', async () => {
    const hash = await build('dddd4444', 'a')
    expect((await get('/search?q=dddd')).headers['location']).toBe('/build/dddd4444')
    expect((await get(`/search?q=${hash}`)).headers['location']).toBe(`/build/dddd4444/action/${hash}`)
    expect((await get('/search?q=bin%2Flib.o')).headers['location']).toBe(`/build/dddd4444/action/${hash}`)
    expect((await get('/search?q=nothing')).status).toBe(404)
  })

  test.each(['/nowhere', '/build/none', '/build/none/action/abc', '/build/%zz', '/build/%zz/actions', '/a/b/c/d/e'])(
    'what is not there is told on a page: %s',
    async (path) => {
      const { status, text } = await get(path)
      expect([400, 404]).toContain(status)
      expect(text).toContain('<a href="/">All builds</a>')
    },
  )

  test('what waits and what runs, in the words of the scheduler', async () => {
    expect((await get('/queue')).status).toBe(503)
    const offers = [{ name: 'OSFamily', value: hostile }]
    const operation = {
      createdAt: it.clock.now() - 5_000,
      priority: 7,
      tool: 'bazel',
      action: { hash: 'b'.repeat(64), size: 9 },
    }
    view = {
      workers: [
        {
          name: 'worker-1',
          version: '1.2.3',
          slots: 4,
          busy: 1,
          properties: offers,
          connectedAt: it.clock.now(),
          leaving: false,
        },
      ],
      queues: [
        { properties: [{ name: 'gpu', value: 'yes' }], waiting: 2, workers: 0, slots: 0 },
        { properties: offers, waiting: 3, workers: 1, slots: 4 },
      ],
      operations: [
        {
          ...operation,
          name: 'one',
          worker: '',
          target: `//a:${hostile}`,
          mnemonic: 'M',
          why: 'waits for a free slot (4 slots on 1 worker)',
        },
        { ...operation, name: 'two', worker: 'worker-1', target: '//b', mnemonic: 'M', why: 'runs on worker-1' },
      ],
      queued: 5,
      executing: 1,
      draining: false,
    }
    const queue = (await get('/queue')).text
    expect(queue).toContain('4 more that began later are not listed.')
    expect(queue).not.toContain('Not listed')
    expect(queue).toContain('5 waiting, 1 of 4 slots busy on 1 worker.')
    expect(queue).toContain('No worker is connected that offers gpu=yes.')
    expect(queue).toContain('All of the 4 slots on 1 worker that could take them are busy.')
    expect(queue).toContain('waits for a free slot (4 slots on 1 worker)')
    const workers = (await get('/workers')).text
    expect(workers).toMatch(/worker-1[\s\S]*has free slots[\s\S]*1 of 4[\s\S]*\/\/b M/)
    for (const each of [queue, workers]) expect(each).not.toContain('<script>')
    // Two calls for one action, which runs once; the other slot has a second run.
    const shared = { ...operation, target: '//b', mnemonic: 'M', why: 'runs on worker-1', worker: 'worker-1' }
    view = { ...view, operations: ['two', 'three'].map((name) => ({ ...shared, name })), queued: 0, executing: 2 }
    const shorter = (await get('/queue')).text
    expect(shorter).toContain('Not listed: 1 more slot, busy with actions that began later or with second runs.')
    expect(shorter).not.toContain('are not listed')
  })

  test('what a running action prints, as text and without secrets, and of another one nothing', async () => {
    const hash = 'b'.repeat(64)
    view = running(hash)
    expect((await get('/queue')).text).toContain(`href="/running/${hash}"`)
    expect((await get(`/running/${hash}`)).text).toMatch(/<details id="running" open>[\s\S]*Nothing yet/)
    const stderr = { bytes: Buffer.from(`compiling ${hostile}\nAPI_TOKEN=hunter2\n`), before: 5_000 }
    printing.set(hash, { ...nothingPrinted, stderr })
    const { text } = await get(`/running/${hash}`)
    expect(text).toMatch(
      /runs on worker-1[\s\S]*<h3>stderr<\/h3>[\s\S]*5,000 bytes before[\s\S]*compiling &lt;script&gt;/,
    )
    for (const hidden of ['<script>', 'hunter2', '<h3>stdout</h3>', 'Nothing yet']) expect(text).not.toContain(hidden)
    expect(text).toContain(' data-live')
    printing.set(hash, { ...nothingPrinted, stderr: { ...nothing, before: 40_000 } })
    expect((await get(`/running/${hash}`)).text).toContain('The 40,000 bytes so far are left out')
    expect((await get(`/running/${'c'.repeat(64)}`)).text).toContain('It is not kept here any more')
    expect([...followed]).toEqual([hash])
  })

  test('what is not followed is said to be so, and why', async () => {
    const hash = 'b'.repeat(64)
    view = running(hash)
    const whyUnheard = 'Nobody <listens>.'
    printing.set(hash, { ...nothingPrinted, whyUnheard })
    const { text } = await get(`/running/${hash}`)
    expect(text).toContain('Not known. Nobody &lt;listens&gt;.')
    expect(text).not.toContain('Nothing yet')
    printing.set(hash, { ...nothingPrinted, stdout: { bytes: Buffer.from('one\n'), before: 0 }, whyUnheard })
    expect((await get(`/running/${hash}`)).text).toMatch(/one[\s\S]*What follows is not known. Nobody &lt;listens&gt;./)
  })

  test('what an action has printed stays when it has ended, and the page waits for its last lines', async () => {
    const hash = 'b'.repeat(64)
    view = { ...running(hash), operations: [] }
    const stdout = { bytes: Buffer.from('one\n'), before: 0 }
    async function shown(output: Partial<RunningOutput>): Promise<{ text: string; isLive: boolean }> {
      printing.set(hash, { ...nothingPrinted, ...output })
      const { text } = await get(`/running/${hash}`)
      expect(text).toContain('It neither waits nor runs any more')
      expect(text).not.toContain('Nothing yet')
      return { text, isLive: text.includes(' data-live') }
    }
    const early = await shown({ stdout })
    expect([early.text.includes('<pre>one'), early.isLive]).toEqual([true, true])
    expect(early.text).toContain('Its end has not been heard yet')
    const whole = await shown({ stdout, isComplete: true })
    expect([whole.text.includes('<pre>one'), whole.isLive]).toEqual([true, false])
    expect(whole.text).not.toContain('Its end has not been heard yet')
    const broken = await shown({ stdout, whyUnheard: 'It broke off.' })
    expect([broken.text.includes('<pre>one'), broken.isLive]).toEqual([true, false])
    expect((await shown({ isComplete: true })).text).toContain('It printed nothing')
    expect((await shown({})).text).toContain('Nothing has been heard of it')
    expect(followed.size).toBe(0)
  })

  test('of the cache what builds met, and what is not known is said to be so', async () => {
    await build('aaaa1111', 'a')
    const { text } = await get('/cache')
    expect(text).toContain('How large the cache is and what it gave up is not known here')
    expect(text).toContain('no result: never seen')
    expect(text).toMatch(/id="hours"[\s\S]*>1<[\s\S]*>0 %/)
  })

  test('inputs and outputs of an action can be browsed and saved, and nothing else', async () => {
    const hash = await build('aaaa1111', 'a')
    const at = `/build/aaaa1111/action/${hash}`
    const output = await it.log('made')
    const wire = ({ hash, size }: { hash: string; size: number }) => ({ hash, sizeBytes: size })
    const below = re.Directory.encode({ files: [{ name: hostile, digest: wire(output) }] }).finish()
    const tree = re.Tree.encode({
      root: { directories: [{ name: 'deep', digest: wire(blobOf(below).digest) }] },
      children: [re.Directory.decode(below)],
    }).finish()
    const list = blobOf(tree)
    await createCasClient(it.cas).upload([{ digest: list.digest, content: list.bytes }])
    expect((await get(`${at}/outputs`)).status).toBe(404)
    results.set(
      hash,
      re.ActionResult.decode(
        re.ActionResult.encode({
          outputFiles: [{ path: 'bin/lib.o', digest: wire(output) }],
          outputDirectories: [{ path: 'bin/tree', treeDigest: wire(list.digest) }],
          outputSymlinks: [{ path: 'bin/link', target: 'lib.o' }],
          stdoutRaw: Buffer.from(
            `\u001b[31m${hostile}\u001b[0m see https://example.com/a.\nMY_\u001b[1mTOKEN=hunter2\n`,
          ),
        }).finish(),
      ),
    )
    expect((await get(`${at}/inputs`)).text).toContain(`href="${at}/inputs/src"`)
    expect((await get(`${at}/inputs/src`)).text).toContain(`href="${at}/inputs/src/input" download`)
    const input = await get(`${at}/inputs/src/input`)
    expect([input.status, input.text, input.headers['content-type']]).toEqual([
      200,
      'input',
      'application/octet-stream',
    ])
    expect(input.headers['content-disposition']).toContain('attachment; filename="input"')
    const outputs = (await get(`${at}/outputs/bin`)).text
    expect(outputs).toMatch(/tree[\s\S]*lib\.o[\s\S]*link to lib\.o/)
    expect((await get(`${at}/outputs/bin/lib.o`)).text).toBe('made')
    const deep = (await get(`${at}/outputs/bin/tree/deep`)).text
    expect(deep).not.toContain('<script>')
    const saved = await get(`${at}/outputs/bin/tree/deep/${encodeURIComponent(hostile)}`)
    expect([saved.status, saved.text]).toEqual([200, 'made'])
    expect(saved.headers['content-disposition']).toMatch(
      /^attachment; filename="[\w.+-]+"; filename\*=UTF-8''[\w.%~-]+$/,
    )
    for (const path of [
      '/inputs/nothing',
      '/inputs/src/input/x',
      '/outputs/../x',
      '/outputs/bin/none',
      '/outputs/bin/link',
    ])
      expect([400, 404]).toContain((await get(`${at}${path}`)).status)
    const shown = (await get(at)).text
    expect(shown).toContain('<span class="t-red">&lt;script&gt;')
    expect(shown).toContain('<a href="https://example.com/a" rel="noopener noreferrer">https://example.com/a</a>.')
    expect(shown).toContain('MY_TOKEN=(hidden)')
    expect(shown).not.toContain('hunter2')
  })

  test('what an action used is said of its own run, and of the one that a cached result is from', async () => {
    const hash = await build('aaaa1111', 'a')
    const page = async () => (await get(`/build/aaaa1111/action/${hash}`)).text
    const keep = (metadata: re.ExecutedActionMetadata.$Properties) =>
      results.set(hash, re.ActionResult.decode(re.ActionResult.encode({ executionMetadata: metadata }).finish()))
    expect(await page()).not.toContain('used')
    keep(times)
    expect(await page()).not.toContain('used')
    const auxiliaryMetadata = packUsage({ userMs: 1000, systemMs: 230, peakMemoryBytes: 120 * 2 ** 20 })
    keep({ ...times, auxiliaryMetadata })
    expect(await page()).toMatch(
      /Where the time went[\s\S]*running 3 s[\s\S]*<p>It used 1.2 s of processor time and at most 120 MiB of memory.<\/p>/,
    )
    keep({ ...times, executionStartTimestamp: { seconds: 1_700_000_000 }, auxiliaryMetadata })
    expect(await page()).toContain('<p>The run that made its result used 1.2 s of processor time and at most')
    keep({ ...times, auxiliaryMetadata: packUsage({ userMs: 10, systemMs: 0 }) })
    expect(await page()).toContain('<p>It used hardly any processor time.</p>')
    keep({ ...times, executionStartTimestamp: { seconds: 2 ** 50 }, auxiliaryMetadata })
    expect(await page()).toContain('Where the time went')
  })

  test('two actions are compared, and a build with one that the reader names', async () => {
    const first = await build('aaaa1111', 'a')
    it.clock.advance(60_000)
    const second = await build('bbbb2222', hostile)
    const { text } = await get(`/build/bbbb2222/action/${second}/compare?with=${first}`)
    expect(text).toContain('1 difference.')
    expect(text).toMatch(/argument 1 differs[\s\S]*>a<[\s\S]*&lt;script&gt;/)
    expect(text).not.toContain('<script>')
    expect((await get(`/build/bbbb2222/action/${second}/compare?with=`)).status).toBe(400)
    const compared = (await get('/build/bbbb2222?against=aaaa')).text
    expect(compared).toContain('Compared with build')
    expect((await get('/build/bbbb2222?against=none')).status).toBe(404)
  })

  test('the timeline as data has all actions, with times from its beginning', async () => {
    const hash = await build('aaaa1111', 'a')
    const { text, headers } = await get('/build/aaaa1111/timeline.json')
    expect(headers['content-type']).toBe('application/json')
    expect(JSON.parse(text)).toEqual({
      lengthMs: 6_000,
      lanes: ['worker-1'],
      names: [`//app:${hostile} CppCompile`],
      outcomes: ['executed'],
      rows: [[0, 0, 0, hash.slice(0, 20), 0, 1_000, 6_000, 1_000, 2_000, 2_000, 5_000, 5_000, 6_000]],
      critical: [0],
    })
  })

  test('the critical path of a build is told in a sentence and as a table', async () => {
    const hash = await build('aaaa1111', 'a')
    const { text } = await get('/build/aaaa1111')
    expect(text).toContain('Critical path: one action took 5 s, ')
    expect(text).toMatch(new RegExp(`<table id="critical".*/build/aaaa1111/action/${hash}`, 's'))
  })

  test('a page that is open hears of what is new, and of nothing else', async () => {
    await build('aaaa1111', 'a')
    // Its end is something new as well, and so is its last explanation.
    it.clock.advance(10_000)
    await get('/build/aaaa1111')
    const [host, port] = server.address.split(':')
    const heard: string[] = []
    const asked = request({ host, port, path: '/live?of=/build/aaaa1111' })
    const ended = new Promise<void>((resolve, reject) => {
      asked.once('error', reject)
      asked.once('response', (answer) => {
        expect(answer.headers['content-type']).toBe('text/event-stream')
        answer
          .setEncoding('utf8')
          .on('data', (text: string) =>
            heard.push(...[...text.matchAll(/^event: (\w+)$/gm)].map(([, name]) => name ?? '')),
          )
        answer.once('end', resolve)
      })
    })
    asked.end()
    /** Lets the looks that are due be taken, until so many have been heard that are called so. */
    const looked = (name: string, count: number, ms: number) =>
      eventually(
        async () => {
          it.clock.advance(ms)
          return heard.filter((each) => each === name).length
        },
        (length) => length >= count,
      )
    const told = () => heard.filter((each) => each !== 'beat')
    await looked('ready', 1, 1_000)
    await build('bbbb2222', 'of another build')
    const beats = heard.length - told().length
    // One that comes only when there has been nothing to tell for 15 s.
    await looked('beat', beats + 1, 1_000)
    expect(told()).toEqual(['ready'])
    await build('aaaa1111', 'b')
    // Its end, which is 3 s later, is not to be heard yet.
    await looked('change', 1, 100)
    pages.endStreams()
    await ended
    expect(told()).toEqual(['ready', 'change'])
    // Pages are still to be had.
    expect((await get('/build/bbbb2222')).status).toBe(200)
  })

  test('it takes nothing, and other pages get nothing', async () => {
    expect((await get('/', {}, 'POST')).status).toBe(405)
    expect((await get('/', { host: 'evil.example' })).status).toBe(403)
    expect((await get('/', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' })).status).toBe(403)
    expect((await get('/', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' })).status).toBe(200)
    const { headers } = await get('/', { host: 'localhost' })
    expect(headers['content-security-policy']).toContain("default-src 'none'; script-src 'self';")
    expect(headers['content-security-policy']).toContain("frame-ancestors 'none'")
    expect(headers['x-content-type-options']).toBe('nosniff')
  })

  test('HEAD is GET without the page', async () => {
    const [head, whole] = [await get('/style.css', {}, 'HEAD'), await get('/style.css')]
    expect([head.status, head.text]).toEqual([200, ''])
    expect(head.headers['content-length']).toBe(String(Buffer.byteLength(whole.text)))
  })
})
