import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { clientToolNames } from '../../src/cli/client/tools.ts'

const text = readFileSync(join(import.meta.dirname, '../../docs/clients.md'), 'utf8')
const sections = text.split(/^## /m).slice(1)

test('docs/clients.md has a section for each tool, in order, with its command and how to see that it works', () => {
  const ofTools = sections.filter((section) => !section.startsWith('Any other'))
  expect(ofTools.map((section) => /`(?:eval "\$\()?native client (\w+)/.exec(section)?.[1])).toEqual(clientToolNames)
  for (const section of ofTools) expect(section).toMatch(/^Works if\b/m)
  expect(text.match(/^\| \[/gm)).toHaveLength(clientToolNames.length)
})
