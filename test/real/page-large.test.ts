import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Browser, chromium } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { explanationStore } from '../../src/console/explanation-store.ts'
import { type History, openHistory } from '../../src/console/history.ts'
import { localHistory } from '../../src/console/local-history.ts'
import { systemClock } from '../../src/core/clock.ts'
import { Failure } from '../../src/core/failure.ts'
import { createExplanations, type Explanations } from '../../src/explain/explanations.ts'
import { createPages, type Pages } from '../../src/page/handler.ts'
import type { RpcServer } from '../../src/wire/rpc.ts'
import { listen } from '../../src/wire/server.ts'
import { fillWithMisses } from '../fixture/misses.ts'
import { root } from '../fixture/program.ts'
import { quietLog } from '../fixture/quiet-log.ts'
import { have } from '../fixture/real.ts'

// The page of a build as large as the page is made for, in a real browser, over a real history.

const actions = 20_000
const builds = 2
/** Elements of the whole page, of which the timeline is one picture. */
const elementsMax = 2_500

describe.skipIf(!(await have('chromium')))(`the page of a build of ${actions} actions`, () => {
  let folder: string
  let history: History
  let explanations: Explanations
  let pages: Pages
  let server: RpcServer
  let browser: Browser
  let url: string
  beforeAll(async () => {
    const bounds = { bytesMax: 64e9, ageMsMax: Number.MAX_SAFE_INTEGER }
    folder = await mkdtemp(join(tmpdir(), 'native-page-'))
    history = openHistory({ path: join(folder, 'history.db'), bounds, clock: systemClock, log: quietLog })
    for (let build = 0; build < builds; build += 1) fillWithMisses(history, { build, builds, actions })
    const local = localHistory(history, { fetch: async () => new Map() })
    explanations = createExplanations(local, systemClock, explanationStore(history))
    pages = createPages({
      ...{
        history: local,
        explanations,
        clock: systemClock,
        script: await readFile(join(root, 'dist/page.js'), 'utf8'),
      },
      contents: {
        result: () => Promise.reject(new Failure('unavailable', 'there is no cache here')),
        read: () => [] as never,
      },
    })
    server = await listen([], { address: '127.0.0.1:0', log: quietLog, http: pages.handle })
    const [last] = await local.builds({ limit: 1 })
    url = `http://${server.address}/build/${last?.id}`
    browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] })
  })
  afterAll(async () => {
    await browser?.close()
    explanations?.close()
    pages?.endStreams()
    await server?.close()
    history?.close()
    await rm(folder, { recursive: true, force: true })
  })

  async function opened() {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 } })
    const page = await context.newPage()
    const complaints: string[] = []
    page.on('console', (message) => complaints.push(message.text()))
    page.on('pageerror', (error) => complaints.push(error.message))
    await page.goto(url)
    const timeline = page.locator('#timeline')
    const seen = timeline.getByRole('status')
    await seen.filter({ hasText: '20,000 actions' }).waitFor()
    return { page, timeline, seen, complaints, close: () => context.close() }
  }

  test('is there before its explanation, which then appears by itself', async () => {
    const { page, complaints, close } = await opened()
    await page.locator('#causes').getByText('input base/version.h changed').waitFor()
    expect(await page.locator('.lead').textContent()).toContain('One cause explains all 20,000')
    expect(await page.getByText('The causes are being looked for').count()).toBe(0)
    expect(complaints).toEqual([])
    await close()
  })

  test('has its timeline drawn as one picture of bounded size, that shows actions of every worker', async () => {
    const { page, timeline, complaints, close } = await opened()
    const canvas = timeline.locator('canvas')
    expect(await canvas.count()).toBe(1)
    const drawn = await canvas.evaluate((element: HTMLCanvasElement) => {
      const { width, height } = element
      const pixels = element.getContext('2d')?.getImageData(0, 0, width, height).data ?? []
      const colours = new Set<string>()
      for (let at = 0; at < pixels.length; at += 4)
        if (pixels[at + 3] === 255) colours.add(`${pixels[at]} ${pixels[at + 1]}`)
      return { width, height, colours: colours.size }
    })
    expect(drawn.colours).toBeGreaterThan(2)
    expect(drawn.width).toBeLessThanOrEqual(1280)
    expect(drawn.height).toBeLessThanOrEqual(2_000)
    expect(await page.locator('*').count()).toBeLessThan(elementsMax)
    expect(complaints).toEqual([])
    await close()
  })

  test('is zoomed by keys and by the pointer, and its list has one page of what is seen', async () => {
    const { page, timeline, seen, complaints, close } = await opened()
    await page.keyboard.press('+')
    const half = await seen.textContent()
    expect(half).toMatch(/^10,\d+ of 20,000 actions, from /)
    const box = await timeline.locator('canvas').boundingBox()
    if (!box) throw new Error('the timeline is not drawn')
    await page.mouse.move(box.x + box.width / 2, box.y + 8)
    await page.mouse.down()
    await page.mouse.move(box.x + box.width / 2 + 20, box.y + 8)
    await page.mouse.up()
    expect(await seen.textContent()).toMatch(/^\d{1,3} of 20,000 actions, from /)
    await page.keyboard.press('0')
    await page.getByText('These actions as a list: 20,000').click()
    await timeline.getByRole('row').nth(100).waitFor()
    expect(await timeline.getByRole('row').count()).toBe(101)
    expect(await page.locator('*').count()).toBeLessThan(elementsMax)
    expect(complaints).toEqual([])
    await close()
  })
})
