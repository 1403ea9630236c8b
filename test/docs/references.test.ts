import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'

const root = join(import.meta.dirname, '../..')
const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: root })
const files = listed.toString().trim().split('\n')
const code = files.filter((file) => /^(src|commands|bin|test)\/.*\.(ts|js)$/.test(file))
const texts = files.filter((file) => file.endsWith('.md') && file !== 'CHANGELOG.md')
const textOf = (file: string) => readFileSync(join(root, file), 'utf8')

/** What is named and made elsewhere: by the build, by a user, or by a program that is not ours. */
const notHere = [/^dist\//, /^node_modules\//]

describe('rules of the Remote Execution API', () => {
  const rules = new Set(
    [...textOf('docs/reapi-rules.md').matchAll(/^(\d+)\. \*\*/gm)].map(([, number]) => Number(number)),
  )

  test('are numbered without a gap', () => {
    expect([...rules]).toEqual(Array.from({ length: rules.size }, (_, at) => at + 1))
  })

  test('that are cited stand in docs/reapi-rules.md', () => {
    const cited = /\brules? (\d+(?:(?:, | and | to |-)\d+)*)/g
    const numbers = (text: string) => [...text.matchAll(cited)].flatMap(([, found = '']) => found.match(/\d+/g) ?? [])
    expect(offenders([...code, ...texts], numbers, (number) => rules.has(Number(number)))).toEqual([])
  })
})

describe('files and folders', () => {
  const endings = new Set(files.flatMap((file) => file.split('/').map((_, at, parts) => parts.slice(at).join('/'))))
  const folders = new Set(
    files.flatMap((file) => {
      const parts = file.split('/').slice(0, -1)
      return parts.flatMap((_, from) => parts.slice(from).map((__, at) => parts.slice(from, from + at + 1).join('/')))
    }),
  )
  const isThere = (name: string) => {
    const plain = name.replace(/^\.\.?\//, '').replace(/\/$/, '')
    return endings.has(plain) || folders.has(plain) || notHere.some((pattern) => pattern.test(plain))
  }

  test('that documents name are in the repository', () => {
    const path = /`((?:[\w.-]+\/)*[\w.-]+\.(?:ts|proto)|(?:src|test|bin|commands|docs|templates|protos)\/[\w./-]*)`/g
    // Blocks are commands and configurations of the reader's.
    const named = (text: string) => matches(text.replace(/^```[\s\S]*?^```/gm, ''), path)
    expect(offenders(texts, named, isThere)).toEqual([])
  })

  test('that comments name are in the repository', () => {
    const path = /(?<![\w./-])((?:[\w-]+\/)*[\w-]+\.ts)\b/g
    const named = (text: string) => matches(matches(text, /^\s*(?:\/\/|\/?\*)(.*)$/gm).join('\n'), path)
    expect(offenders(code, named, isThere)).toEqual([])
  })
})

describe('links', () => {
  /** As GitHub makes the name of a heading. */
  const anchorsOf = (file: string) =>
    [...textOf(file).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N}_ -]/gu, '')
        .replaceAll(' ', '-'),
    )

  test.each(texts)('in %s lead to a file and a heading', (file) => {
    const links = matches(textOf(file).replace(/^```[\s\S]*?^```/gm, ''), /\]\((?!https?:)([^)\s]+)\)/g)
    const broken = links.filter((link) => {
      const [path = '', anchor] = link.split('#')
      const target = path === '' ? file : join(dirname(file), path)
      return !files.includes(target) || (anchor !== undefined && !anchorsOf(target).includes(anchor))
    })
    expect(broken).toEqual([])
  })
})

function matches(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map(([, found = '']) => found)
}

/** `FILE: NAME` for each name in these files that is not there. */
function offenders(
  where: readonly string[],
  named: (text: string) => readonly string[],
  isThere: (name: string) => boolean,
): string[] {
  return where.flatMap((file) =>
    named(textOf(file))
      .filter((name) => !isThere(name))
      .map((name) => `${file}: ${name}`),
  )
}
