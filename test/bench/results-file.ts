import { existsSync, readFileSync, writeFileSync } from 'node:fs'

const intro =
  '# Latest benchmark tables\n\nEach section is written by the command that it names, and by nothing else.\n'

/**
 * Puts a section into the file of results, in the place of one with the same heading or at the
 * end; the sections of others stay as they are.
 */
export function writeSection(file: string, heading: string, text: string): void {
  const [, ...sections] = (existsSync(file) ? readFileSync(file, 'utf8') : intro).split(/^## /m)
  const own = `${heading}\n\n${text.trim()}\n`
  const at = sections.findIndex((each) => each.startsWith(`${heading}\n`))
  const next = at < 0 ? [...sections, own] : sections.with(at, own)
  writeFileSync(file, `${[intro, ...next].map((each) => each.trimEnd()).join('\n\n## ')}\n`)
}
