import { existsSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '../..')
const textOf = (file: string) => readFileSync(join(root, file), 'utf8')

interface Rule {
  readonly name: string
  readonly to: { readonly pathNot?: string | readonly string[] }
}

const { forbidden } = JSON.parse(textOf('.dependency-cruiser.json')) as { readonly forbidden: readonly Rule[] }
const rules = forbidden.filter(({ name }) => name.startsWith('doors-of-'))

test.each(rules.map((rule) => [rule.name.slice('doors-of-'.length), rule] as const))(
  'the README of %s names the doors that lint holds',
  (room, { to }) => {
    const [pattern = ''] = [to.pathNot ?? ''].flat()
    const held =
      /\(([^)]*)\)\[\.\]ts\$$/
        .exec(pattern)?.[1]
        ?.split('|')
        .map((name) => `${name}.ts`) ?? []
    expect(held.length).toBeGreaterThan(0)
    expect(doorsInReadme(room)).toEqual(held.sort())
    for (const file of held) expect(existsSync(join(root, room, file)), `${room}/${file}`).toBe(true)
  },
)

/** Of the room's own README, or of its row in that of the room around it. */
function doorsInReadme(room: string): string[] {
  const own = join(room, 'README.md')
  const text = existsSync(join(root, own))
    ? /^Doors: ([\s\S]*?)\n\n/m.exec(`${textOf(own)}\n`)?.[1]
    : textOf(join(dirname(room), 'README.md'))
        .split('\n')
        .find((line) => line.startsWith(`| \`${basename(room)}/\``))
        ?.split('|')
        .at(-2)
  return [...(text ?? '').matchAll(/`([\w/.-]+\.ts)`/g)].map(([, file = '']) => file).sort()
}
