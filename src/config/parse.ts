import { type Document, isMap, isScalar, LineCounter, type Node, parseDocument } from 'yaml'
import type { z } from 'zod'
import { Failure } from '../core/failure.ts'

/** Nobody reads more than this at once. */
const problemsMax = 50

interface Problem {
  readonly offset: number
  /** A path such as `workers[0].name`; empty for the whole file. */
  readonly key: string
  readonly expected: string
}

/**
 * Checks a YAML text. An empty one is an empty map.
 * @param file its name, for errors
 * @throws Failure 'invalid' with every problem: its place `file:line:column`, its key and what was expected; `where` is
 *   the first place
 */
export function parseConfig<Schema extends z.ZodType>(text: string, file: string, schema: Schema): z.output<Schema> {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true, logLevel: 'error' })
  if (document.errors.length > 0)
    throw failure(
      file,
      lines,
      document.errors.map((error) => ({ offset: error.pos[0], key: '', expected: error.message })),
    )
  const result = schema.safeParse(plainValue(document, file))
  if (result.success) return result.data
  throw failure(
    file,
    lines,
    result.error.issues.flatMap((issue) => problemsOf(issue, document)),
  )
}

function plainValue(document: Document.Parsed, file: string): unknown {
  try {
    // Limits aliases, so that a small file cannot expand into a huge value.
    return document.toJS({ maxAliasCount: 100 }) ?? {}
  } catch (error) {
    throw new Failure('invalid', 'an alias in this file has no anchor, or aliases expand too far', {
      where: file,
      cause: error,
    })
  }
}

/** One issue may be several problems: each unknown key has its own place. */
function problemsOf(issue: z.core.$ZodIssue, document: Document.Parsed): Problem[] {
  const path = issue.path.filter((each) => typeof each !== 'symbol')
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => ({
      offset: offsetOf(document, [...path, key], true),
      key: keyText([...path, key]),
      expected: 'there is no such setting',
    }))
  return [{ offset: offsetOf(document, path, false), key: keyText(path), expected: issue.message }]
}

/** Where the value (or the key) at a path begins; for a missing one, where its nearest parent begins. */
function offsetOf(document: Document.Parsed, path: readonly PropertyKey[], wantKey: boolean): number {
  for (let depth = path.length; depth > 0; depth -= 1) {
    const last = path[depth - 1]
    const parent = depth === 1 ? document.contents : document.getIn(path.slice(0, depth - 1), true)
    if (isMap<Node, Node>(parent)) {
      const pair = parent.items.find((item) => isScalar(item.key) && String(item.key.value) === String(last))
      const node = wantKey && depth === path.length ? pair?.key : (pair?.value ?? pair?.key)
      if (node?.range) return node.range[0]
    } else {
      const node = document.getIn(path.slice(0, depth), true) as Node | undefined
      if (node?.range) return node.range[0]
    }
  }
  return document.contents?.range?.[0] ?? 0
}

function keyText(path: readonly PropertyKey[]): string {
  return path
    .map((each, at) => (typeof each === 'number' ? `[${each}]` : `${at > 0 ? '.' : ''}${String(each)}`))
    .join('')
}

function failure(file: string, lines: LineCounter, problems: readonly Problem[]): Failure {
  const sorted = [...problems].sort((a, b) => a.offset - b.offset)
  const place = ({ offset }: Problem) => {
    const { line, col } = lines.linePos(offset)
    return `${file}:${Math.max(line, 1)}:${Math.max(col, 1)}`
  }
  const told = ({ key, expected }: Problem) => (key === '' ? expected : `${key}: ${expected}`)
  const [first] = sorted
  if (!first) return new Failure('invalid', 'the configuration is not valid', { where: file })
  if (sorted.length === 1) return new Failure('invalid', told(first), { where: place(first) })
  const shown = sorted.slice(0, problemsMax).map((each) => `  ${place(each)} ${told(each)}`)
  const rest = sorted.length > problemsMax ? [`  and ${sorted.length - problemsMax} more`] : []
  return new Failure('invalid', [`${sorted.length} problems in the configuration`, ...shown, ...rest].join('\n'), {
    where: place(first),
  })
}
