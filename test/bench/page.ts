/**
 * How long a browser takes to show the page of a build of so many actions, all of which missed because of one header, from
 * the click until its timeline is drawn and can be used: while the console has the explanation, as after the end of a build,
 * and when it first has to make it.
 *   node test/bench/page.ts [ACTIONS]      10000 by default; needs chromium, and dist/page.js of a build
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Browser, chromium } from 'playwright-core'
import { openHistory } from '../../src/console/history.ts'
import { localHistory } from '../../src/console/local-history.ts'
import { systemClock } from '../../src/core/clock.ts'
import { Failure } from '../../src/core/failure.ts'
import { createExplanations } from '../../src/explain/explanations.ts'
import { createPages } from '../../src/page/handler.ts'
import { listen } from '../../src/wire/server.ts'
import { fillWithMisses } from '../fixture/misses.ts'
import { noStore } from '../fixture/no-store.ts'
import { root } from '../fixture/program.ts'
import { quietLog } from '../fixture/quiet-log.ts'

const [actions = 10_000] = process.argv.slice(2).map(Number)
const builds = 3
const repeats = 5

const folder = await mkdtemp(join(tmpdir(), 'native-bench-'))
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] })
try {
  const bounds = { bytesMax: 64e9, ageMsMax: Number.MAX_SAFE_INTEGER }
  const history = openHistory({ path: join(folder, 'history.db'), bounds, clock: systemClock, log: quietLog })
  for (let build = 0; build < builds; build += 1) fillWithMisses(history, { build, builds, actions })
  const local = localHistory(history, { fetch: async () => new Map() })
  const [build] = await local.builds({ limit: 1 })
  if (!build) throw new Error('there is no build')
  const script = await readFile(join(root, 'dist/page.js'), 'utf8')
  const unavailable = async () => Promise.reject(new Failure('unavailable', 'there is no cache here'))
  const contents = { result: unavailable, read: () => [] as never }
  for (const isReady of [true, false]) {
    const times: Awaited<ReturnType<typeof shown>>[] = []
    for (let at = 0; at < repeats; at += 1) {
      const explanations = createExplanations(local, systemClock, noStore)
      const pages = createPages({ history: local, explanations, clock: systemClock, script, contents })
      const server = await listen([], { address: '127.0.0.1:0', log: quietLog, http: pages.handle })
      if (isReady) await explanations.of(build)
      times.push(await shown(browser, `http://${server.address}/build/${build.id}`))
      explanations.close()
      pages.endStreams()
      await server.close()
    }
    const middle = (of: keyof (typeof times)[number]) =>
      times
        .map((each) => each[of])
        .sort((a, b) => a - b)
        [repeats >> 1]?.toFixed(0)
    say(`the page of ${actions} actions, ${isReady ? 'explained before' : 'not explained yet'}, median of ${repeats}:`)
    say(
      `  first byte ${middle('firstByte')} ms, interactive ${middle('interactive')} ms, timeline ${middle('timeline')} ms; ${middle('cpu')} ms of CPU of the console`,
    )
  }
  history.close()
} finally {
  await browser.close()
  await rm(folder, { recursive: true, force: true })
}

/** In milliseconds from the click; cpu is what the console took of a processor for it. */
async function shown(browser: Browser, url: string) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } })
  const page = await context.newPage()
  await page.goto('about:blank')
  const before = process.cpuUsage()
  await page.goto(url, { waitUntil: 'domcontentloaded' })
  await page.locator('#timeline').getByRole('status').waitFor()
  const timeline = await page.evaluate(() => performance.now())
  const { firstByte, interactive } = await page.evaluate(() => {
    const [entry] = performance.getEntriesByType('navigation') as PerformanceNavigationTiming[]
    return { firstByte: entry?.responseStart ?? 0, interactive: entry?.domInteractive ?? 0 }
  })
  const { user, system } = process.cpuUsage(before)
  await context.close()
  return { firstByte, interactive, timeline, cpu: (user + system) / 1000 }
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
