import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import axe from 'axe-core'
import { execa } from 'execa'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { openChannel } from '../../src/wire/channel.ts'
import { bep } from '../../src/wire/proto.ts'
import { finished, patterns, printed, type Sent, started, target, tell } from '../console/bes-client.ts'
import { eventually } from '../fixture/eventually.ts'
import { createNative, type Native, root } from '../fixture/program.ts'
import { createWorkdir, have, type Workdir } from '../fixture/real.ts'

// The page of builds in a real browser, over what real servers saw. What it says is judged in test/page.

/** WCAG 2.2 up to AA. */
const all = { type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] }
/** How a page may look, and what of it axe judges: in the dark only the colours are others, and on a telephone only the places. */
const looks = [
  { name: 'light', options: { viewport: { width: 1280, height: 800 } }, rules: all },
  { name: 'dark', options: { colorScheme: 'dark' }, rules: { type: 'rule', values: ['color-contrast'] } },
  {
    name: 'narrow',
    options: { viewport: { width: 360, height: 640 } },
    rules: { type: 'rule', values: ['target-size', 'scrollable-region-focusable'] },
  },
] as const
type Look = (typeof looks)[number]

let native: Native
let browser: Browser
let url: string
let pages: string[]
beforeAll(async () => {
  native = await createNative()
  await native.ok('deploy', '--workers', '2', '--slots', '2')
  await native.ok('exec', '--', 'sh', '-c', 'echo one')
  await native.ok('exec', '--', 'sh', '-c', 'echo one')
  const { exitCode } = await native.run('exec', '--', 'sh', '-c', 'echo "<script>two</script>" >&2; exit 3')
  expect(exitCode).toBe(3)
  url = (JSON.parse((await native.ok('open', '--json')).stdout) as { url: string }).url
  // What a client tells: each kind of thing that the page of a build may have, and a test whose log is elsewhere.
  const channel = openChannel(url.replace(/^http/, 'grpc').replace(/\/$/, ''))
  const log = { name: 'test.log', uri: 'file:///tmp/test.log' }
  const attempt = (label: string, number: number, status: bep.TestStatus): Sent => ({
    id: { testResult: { label, run: 1, shard: 1, attempt: number } },
    testResult: { status, testAttemptDuration: { seconds: 1 }, testActionOutput: [log] },
  })
  await tell(channel, 'told', [
    started('test'),
    patterns('//...'),
    { optionsParsed: { explicitCmdLine: ['--config=lre', `--define=long=${'x'.repeat(500)}`], cmdLine: ['--jobs=8'] } },
    printed(`${'INFO: a line '.repeat(40)}\n`),
    target(`//${'deep/'.repeat(60)}:a`),
    target('//b', false),
    {
      id: { actionCompleted: { label: '//b', primaryOutput: `bazel-out/${'deep/'.repeat(60)}b` } },
      action: { type: 'Genrule', stderr: log, failureDetail: { message: 'it failed' } },
    },
    attempt('//t', 1, bep.TestStatus.FAILED),
    attempt('//t', 2, bep.TestStatus.PASSED),
    attempt('//u', 1, bep.TestStatus.TIMEOUT),
    finished(3, 'TESTS_FAILED'),
  ])
  channel.close()
  const { builds } = JSON.parse((await native.ok('builds', '--json')).stdout) as { builds: { id: string }[] }
  const places = ['', 'queue', 'workers', 'cache', 'build/told/log/1/0', 'search?q=nothing'].map(
    (each) => `${url}${each}`,
  )
  pages = [...places, ...builds.map(({ id }) => `${url}build/${id}`)]
  browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] })
})
afterAll(async () => {
  await browser?.close()
  await native?.dispose()
})

/** Shows a page, and takes down what it asks for and what it complains of. */
async function shown(url: string, options: BrowserContextOptions = {}) {
  const context = await browser.newContext(options)
  const page = await context.newPage()
  const asked: string[] = []
  const complaints: string[] = []
  page.on('request', (request) => asked.push(request.url()))
  page.on('console', (message) => complaints.push(message.text()))
  await page.goto(url)
  return { page, asked, complaints, close: () => context.close() }
}

test('what runs in the browser is small', async () => {
  const script = await readFile(join(root, 'dist/page.js'))
  expect(gzipSync(script).length).toBeLessThan(250_000)
})

describe.skipIf(!(await have('chromium')))('the page', () => {
  test('a person gets from the last builds to an action and back, by keyboard as well', async () => {
    const { page, close } = await shown(pages[0] ?? '')
    expect(await page.getByRole('row').count()).toBe(5)
    await page.keyboard.press('/')
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('q')
    await page.getByRole('row').nth(2).getByRole('link').click()
    expect(await page.getByRole('heading', { level: 1 }).textContent()).toMatch(/^Build /)
    expect(await page.locator('.lead').textContent()).toContain('1 action in')
    await page.getByText('never seen before').click()
    await page.getByRole('link', { name: 'exec' }).first().click()
    expect(await page.locator('pre').first().textContent()).toContain('\'echo "<script>two</script>" >&2; exit 3\'')
    await page.goBack()
    await page.getByLabel('Search').fill('no such thing')
    await page.keyboard.press('Enter')
    await page.waitForURL(/\/search/)
    expect(await page.getByRole('heading', { level: 1 }).textContent()).toBe('Nothing found')
    await close()
  })

  test('what is new appears by itself, and what the reader has chosen stays', async () => {
    const { page, close } = await shown(url)
    await page.getByText('live', { exact: true }).waitFor()
    await page.getByRole('button', { name: 'Actions' }).click()
    const order = () => page.locator('th').nth(6).getAttribute('aria-sort')
    expect(await order()).toBe('descending')
    const rows = await page.getByRole('row').count()
    const link = page.getByRole('row').nth(2).getByRole('link')
    await link.focus()
    const focused = await link.getAttribute('href')
    await page.evaluate(() => Object.assign(window, { mark: 1 }))
    await native.ok('exec', '--', 'sh', '-c', 'echo another')
    await eventually(
      () => page.getByRole('row').count(),
      (count) => count === rows + 1,
    )
    expect(await page.evaluate(() => 'mark' in window)).toBe(true)
    expect(await page.evaluate(() => document.activeElement?.getAttribute('href'))).toBe(focused)
    expect(await order()).toBe('descending')
    await page.reload()
    expect(await order()).toBe('descending')
    await close()
  })

  test('what an action prints is shown while it runs, and can be closed by the keyboard', async () => {
    const script = 'echo first; sleep 0.5; echo second; sleep 120'
    const program = execa(process.execPath, [join(root, 'bin/run.js'), 'exec', '--', 'sh', '-c', script], {
      ...{ env: native.env, extendEnv: false, cwd: native.home, reject: false, stdin: 'ignore' },
    })
    onTestFinished(() => void program.kill('SIGKILL'))
    const { page, close } = await shown(`${url}queue`)
    await page.getByRole('row').getByRole('link', { name: 'exec' }).click()
    await page.locator('#running pre', { hasText: /^first\nsecond/ }).waitFor()
    expect(await violationsOf(page.url())).toEqual([])
    await page.locator('#running summary').focus()
    await page.keyboard.press('Enter')
    expect(await page.locator('#running pre').isVisible()).toBe(false)
    program.kill('SIGINT')
    await page.getByText('It neither waits nor runs any more').waitFor()
    await program
    await close()
  })

  test('while a console is away the page says so, and goes on when it is back', async () => {
    const { page, close } = await shown(`${url}workers`)
    const state = page.getByRole('status')
    await page.getByText('live', { exact: true }).waitFor()
    const { servers } = JSON.parse((await native.ok('status', '--json')).stdout) as {
      servers: { name: string; id: string }[]
    }
    // It is back so soon that the next attempt would find it, and nothing would have to be said.
    await page.route('**/live?*', (route) => route.abort('connectionrefused'))
    process.kill(Number(servers.find(({ name }) => name === 'console')?.id), 'SIGKILL')
    await eventually(
      () => state.textContent(),
      (text) => text?.startsWith('not connected since') ?? false,
    )
    expect(await page.getByText('worker-1').count()).toBeGreaterThan(0)
    await page.unroute('**/live?*')
    await eventually(
      () => state.textContent(),
      (text) => text === 'live',
    )
    await close()
  })

  test('it asks nobody else for anything, and its policy refuses nothing of its own', async () => {
    const { page, asked, complaints, close } = await shown(url)
    for (const each of pages) await page.goto(each)
    expect(asked.length).toBeGreaterThan(2 * pages.length)
    expect(asked.filter((each) => !each.startsWith('data:') && new URL(each).host !== new URL(url).host)).toEqual([])
    expect(complaints.filter((each) => /policy|refused/i.test(each))).toEqual([])
    await close()
  })

  test.each(looks)('axe finds nothing, and nothing is cut off: $name', async (look) => {
    for (const each of pages) expect(await violationsOf(each, look), each).toEqual([])
  })
})

describe.skipIf(!(await have('chromium', 'sid:bazel')))('the page of a build of Bazel', () => {
  let work: Workdir
  let address: string
  beforeAll(async () => {
    work = createWorkdir()
    await work.copy('workspace', 'ws')
    await native.ok('bazelrc', '--write', join(work.path, 'ws/native.bazelrc'))
    const ran = await work.chroot(['bazel', '--max_idle_secs=60', 'build', '--config=lre', '//gen/...'], { cwd: 'ws' })
    expect(ran.exitCode, ran.all).toBe(0)
    address = /(?:Streaming build results to|results available at): (\S+)/.exec(ran.all)?.[1] ?? ''
  })
  afterAll(async () => {
    await work?.chroot(['bazel', 'shutdown'], { cwd: 'ws' })
    await work?.remove()
  })

  test('its timeline is zoomed by keys, by the pointer and by its address, and the list says what is seen', async () => {
    const { page, close } = await shown(address)
    const seen = page.locator('#timeline').getByRole('status')
    await seen.waitFor()
    const whole = await seen.textContent()
    expect(whole).toMatch(/^\d+ actions? in /)
    await page.keyboard.press('+')
    expect(await seen.textContent()).toMatch(/ of \d+ actions?, from /)
    await page.keyboard.press('0')
    expect(await seen.textContent()).toBe(whole)
    await page.locator('canvas').scrollIntoViewIfNeeded()
    const box = await page.locator('canvas').boundingBox()
    if (!box) throw new Error('the timeline is not drawn')
    await page.mouse.move(box.x + box.width / 2, box.y + 8)
    await page.mouse.down()
    await page.mouse.move(box.x + box.width - 20, box.y + 8)
    await page.mouse.up()
    const part = await seen.textContent()
    expect(part).toMatch(/ of \d+ actions?, from /)
    expect(page.url()).toMatch(/#zoom=\d+-\d+$/)
    await page.reload()
    await seen.waitFor()
    expect(await seen.textContent()).toBe(part)
    await page.keyboard.press('0')
    await page.getByText('These actions as a list').click()
    await page.locator('#timeline').getByRole('link').first().click()
    expect(await page.getByRole('heading', { level: 2 }).first().textContent()).toBe('Why it was not cached')
    await close()
  })

  test('its critical path ends with an action that leads to its page', async () => {
    const { page, close } = await shown(address)
    expect(await page.getByText(/^Critical path: .* of the build\./).count()).toBe(1)
    await page.locator('#critical').getByRole('link').last().click()
    expect(await page.getByRole('heading', { level: 2 }).first().textContent()).toBe('Why it was not cached')
    await close()
  })

  test('inputs and outputs of an action can be browsed, and saved', async () => {
    const { page, close } = await shown(address)
    await page.locator('#slowest').getByRole('link').first().click()
    expect(await violationsOf(page.url())).toEqual([])
    await page.getByRole('link', { name: 'Browse its outputs' }).click()
    while ((await page.locator('#entries a[download]').count()) === 0) await page.locator('#entries a').first().click()
    expect(await violationsOf(page.url())).toEqual([])
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.locator('#entries a[download]').first().click(),
    ])
    expect((await readFile(await download.path())).length).toBeGreaterThan(0)
    await close()
  })

  test.each(looks)('axe finds nothing on the page of the build: $name', async (look) => {
    expect(await violationsOf(address, look)).toEqual([])
  })

  test('on paper it says what it was, why, and where the time went, and no more', async () => {
    const { page, close } = await shown(address)
    await page.locator('canvas').waitFor()
    await page.emulateMedia({ media: 'print' })
    const visible = await page.getByRole('heading').filter({ visible: true }).allTextContents()
    expect(visible).toEqual([expect.stringMatching(/^Build /), 'Why actions were not cached', 'Where the time went'])
    await close()
  })
})

/** What axe says of a page, all of which is open, and whether it is wider than the window. */
async function violationsOf(
  address: string,
  { options, rules }: Pick<Look, 'options' | 'rules'> = looks[0],
): Promise<string[]> {
  // The tool comes in as a script, which the page's policy does not let in otherwise.
  const { page, close } = await shown(address, { ...options, bypassCSP: true })
  if ((await page.locator('#timeline').count()) > 0) await page.locator('canvas').waitFor()
  await page.evaluate(() => {
    for (const each of document.querySelectorAll('details')) each.open = true
  })
  const [wide, found] = [
    await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth),
    await violations(page, rules),
  ]
  await close()
  return [...found, ...(wide > 0 ? [`${address} is ${wide} pixels too wide`] : [])]
}

async function violations(page: Page, rules: Look['rules']): Promise<string[]> {
  await page.addScriptTag({ content: axe.source })
  return await page.evaluate(async (runOnly) => {
    const { axe } = globalThis as unknown as {
      axe: {
        run(where: Document, options: object): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }>
      }
    }
    const found = await axe.run(document, { runOnly })
    return found.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`)
  }, rules)
}
