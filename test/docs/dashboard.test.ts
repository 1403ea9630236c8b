import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { plain, readDocuments } from '../fixture/documents.ts'
import { root } from '../fixture/program.ts'

interface Panel {
  readonly id: number
  readonly type: string
  readonly title: string
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
  readonly targets?: readonly { readonly expr: string }[]
}

const { panels }: { panels: Panel[] } = JSON.parse(await readFile(join(root, 'templates/grafana/native.json'), 'utf8'))

test('the dashboard asks for metrics that exist (docs/metrics.md is held against the servers)', async () => {
  const { tables } = await readDocuments()
  const table = tables.find(({ heading }) => heading[0] === 'metric')
  const known = new Set(table?.rows.map(([name = '']) => plain(name)))
  const asked = panels.flatMap(({ targets = [] }) => targets.flatMap(({ expr }) => expr.match(/native_\w+/g) ?? []))
  expect(asked.length).toBeGreaterThan(20)
  expect(asked.filter((name) => !known.has(name) && !known.has(name.replace(/_(?:bucket|sum|count)$/, '')))).toEqual([])
})

test('what only grows is asked for as a rate, and what goes up and down is not', () => {
  for (const { title, targets = [] } of panels)
    for (const { expr } of targets) {
      const counters = expr.match(/native_\w+_(?:total|bucket)\b/g) ?? []
      const rates = expr.match(/(?:rate|increase)\(native_\w+(?:\{[^}]*\})?\[\$__rate_interval\]\)/g) ?? []
      expect({ title, expr, rates: rates.length }).toEqual({ title, expr, rates: counters.length || rates.length })
    }
})

test('no panel lies on another, and none has the number of another', () => {
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length)
  const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
    Array.from({ length: w * h }, (_, at) => `${x + (at % w)} ${y + Math.floor(at / w)}`),
  )
  expect(new Set(cells).size).toBe(cells.length)
})
