import { countText } from '../core/count-text.ts'
import { printable } from '../core/printable.ts'
import type { Traced } from './trace.ts'

/**
 * What an action takes from its machine besides its inputs. missing: it looked for something that the machine has
 * outside of the sandbox. variable: its environment names such a place. output: it differs from the first time, or is
 * missing.
 */
export const findingKinds = ['missing', 'network', 'variable', 'output', 'tool', 'header', 'library', 'file'] as const
export type FindingKind = (typeof findingKinds)[number]

/** One such thing that one action used. */
export interface Finding {
  readonly kind: FindingKind
  readonly what: string
}

/** An action that was run once more. */
export interface CheckedAction {
  readonly action: string
  readonly target: string
  readonly mnemonic: string
}

/** One such thing, and the actions that used it. */
export interface FindingOfMany extends Finding {
  readonly actions: number
  readonly examples: readonly CheckedAction[]
}

const examplesMax = 3
/** Places with the machine's programs, which a sandbox exposes; an environment may name them. */
const shownPlaces = /^\/((usr|bin|sbin|lib\w*|nix\/store|etc|dev|proc|build)(\/|$)|(var\/)?tmp\/*$)/
const headerPath = /\/include\/|\.(h|hh|hpp|hxx|inc)$/
const libraryPath = /\.so(\.[\w.]+)?$|\.[ao]$|\/ld\.so\.(cache|preload)$|\/(locale|gconv)\b/

/** @param isHere whether a path exists on this machine */
export function findingsIn(
  traced: Traced,
  variables: Readonly<Record<string, string>>,
  isHere: (path: string) => boolean,
): Finding[] {
  return [
    ...traced.absent.filter((path) => isHere(path)).map((what) => ({ kind: 'missing' as const, what })),
    ...traced.addresses.map((what) => ({ kind: 'network' as const, what })),
    ...Object.entries(variables).flatMap(([name, value]) =>
      pathsIn(value)
        .filter((path) => !shownPlaces.test(path) && isHere(path))
        .map((path) => ({ kind: 'variable' as const, what: `${name} names ${path}` })),
    ),
    ...traced.programs.map((what) => ({ kind: 'tool' as const, what })),
    ...traced.files.map((what) => ({ kind: kindOf(what), what })),
  ]
}

/** Merges equal findings of several actions, most common first. */
export function gathered(all: readonly { by: CheckedAction; findings: readonly Finding[] }[]): FindingOfMany[] {
  const found = new Map<string, { finding: Finding; by: CheckedAction[] }>()
  for (const { by, findings } of all)
    for (const finding of findings) {
      const key = `${finding.kind} ${finding.what}`
      const known = found.get(key)
      if (known) known.by.push(by)
      else found.set(key, { finding, by: [by] })
    }
  return [...found.values()]
    .map(({ finding, by }) => ({ ...finding, actions: by.length, examples: by.slice(0, examplesMax) }))
    .sort((a, b) => findingKinds.indexOf(a.kind) - findingKinds.indexOf(b.kind) || b.actions - a.actions)
}

const headings: Readonly<Record<FindingKind, string>> = {
  missing: 'Looked for but not found, although it is on this machine (not an input, and hidden by the sandbox)',
  network: 'Tried to reach over the network',
  variable: 'Named by a variable of the environment, and on this machine alone',
  output: 'Came out differently (the time, chance, or what is on another machine)',
  tool: 'Programs of the machine',
  header: 'Headers of the machine',
  library: 'Libraries of the machine',
  file: 'Other files of the machine',
}
const shownOfKindMax = 12

/** The findings for people; a paragraph for each kind. */
export function findingsText(findings: readonly FindingOfMany[]): string {
  return findingKinds
    .map((kind) => findings.filter((each) => each.kind === kind))
    .filter((each) => each.length > 0)
    .map((each) => {
      const lines = each.slice(0, shownOfKindMax).map(lineOf)
      const more = each.length - lines.length
      const rest = more > 0 ? [`  and ${more} more, which --json names`] : []
      return [`${headings[each[0]?.kind ?? 'file']}:`, ...lines, ...rest].join('\n')
    })
    .join('\n\n')
}

function lineOf({ what, actions, examples }: FindingOfMany): string {
  const [first] = examples
  const example = first ? [first.mnemonic, first.target].filter(Boolean).join(' of ') || first.action.slice(0, 8) : ''
  return `  ${printable(what)} (${countText(actions, 'action')}, ${printable(example)})`
}

function kindOf(path: string): FindingKind {
  if (headerPath.test(path)) return 'header'
  return libraryPath.test(path) ? 'library' : 'file'
}

/** Absolute paths in a value: alone, or in a list like PATH. */
function pathsIn(value: string): string[] {
  return value.split(/[:;,=\s]/).filter((part) => /^\/[^/]/.test(part))
}
