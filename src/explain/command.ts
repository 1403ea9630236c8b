import type { re } from '../wire/proto.ts'
import { fromDuration } from '../wire/time.ts'
import type { Field, FieldDifference, ItemDifference, PropertyDifference, VariableDifference } from './difference.ts'
import { shownArgument, shownValue } from './secrets.ts'
import { sequenceDiff } from './sequence.ts'

/** An Action with its Command; null if the command is not available. */
export interface Described {
  readonly action: re.Action
  readonly command: re.Command | null
}

/** Arguments that differ; those that look like secrets are hidden. */
export function compareArguments(one: readonly string[], other: readonly string[]): ItemDifference[] {
  return compareLists(one, other, shownArgument)
}

/** Output paths that differ; for a command of an old client, its files and directories. */
export function compareOutputs(one: re.Command, other: re.Command): ItemDifference[] {
  return compareLists(outputsOf(one), outputsOf(other), (path) => path)
}

/** The outputs that a Command declares: paths, or the files and directories of an older client. */
export function outputsOf(command: re.Command): readonly string[] {
  return command.outputPaths.length > 0 ? command.outputPaths : [...command.outputFiles, ...command.outputDirectories]
}

/** Variables that differ, in any order. */
export function compareVariables(one: re.Command, other: re.Command): VariableDifference[] {
  const [before, after] = [variablesOf(one), variablesOf(other)]
  const names = [...new Set([...before.keys(), ...after.keys()])].sort()
  const shown = (name: string, value: string | undefined) => (value === undefined ? null : shownValue(name, value))
  return names
    .filter((name) => before.get(name) !== after.get(name))
    .map((name) => ({ name, one: shown(name, before.get(name)), other: shown(name, after.get(name)) }))
}

/** Platform properties that differ. An Action's own take precedence over its Command's (rule 32). */
export function compareProperties(one: Described, other: Described): PropertyDifference[] {
  const [before, after] = [propertiesOf(one), propertiesOf(other)]
  const names = [...new Set([...before.keys(), ...after.keys()])].sort()
  return names
    .map((name) => ({ name, one: before.get(name) ?? [], other: after.get(name) ?? [] }))
    .filter((each) => each.one.join('\0') !== each.other.join('\0'))
    .map(({ name, one, other }) => ({
      name,
      one: one.map((value) => shownValue(name, value)),
      other: other.map((value) => shownValue(name, value)),
    }))
}

/** All other differences of Actions and Commands. */
export function compareFields(one: Described, other: Described): FieldDifference[] {
  const [before, after] = [fieldsOf(one), fieldsOf(other)]
  return [...before].flatMap(([field, text]) => {
    const now = after.get(field) ?? null
    return text === now ? [] : [{ field, one: text, other: now }]
  })
}

function compareLists(
  one: readonly string[],
  other: readonly string[],
  shown: (item: string, before: string | undefined) => string,
): ItemDifference[] {
  const differences: ItemDifference[] = []
  let removed: number[] = []
  let added: number[] = []
  const close = () => {
    // Equal numbers on both sides: pair them.
    const paired = removed.length === added.length
    for (const [at, position] of removed.entries())
      differences.push(item(position, paired ? (added[at] ?? null) : null))
    if (!paired) for (const position of added) differences.push(item(null, position))
    removed = []
    added = []
  }
  const item = (position: number | null, otherPosition: number | null): ItemDifference => ({
    position,
    otherPosition,
    one: position === null ? null : shown(one[position] ?? '', one[position - 1]),
    other: otherPosition === null ? null : shown(other[otherPosition] ?? '', other[otherPosition - 1]),
  })
  for (const edit of sequenceDiff(one, other)) {
    if (edit.kind === 'same') close()
    else if (edit.kind === 'removed') removed.push(edit.one)
    else added.push(edit.other)
  }
  close()
  return differences
}

function variablesOf(command: re.Command): ReadonlyMap<string, string> {
  return new Map(command.environmentVariables.map(({ name, value }) => [name ?? '', value ?? '']))
}

function propertiesOf({ action, command }: Described): ReadonlyMap<string, readonly string[]> {
  const values = new Map<string, string[]>()
  for (const { name, value } of (action.platform ?? command?.platform)?.properties ?? []) {
    const known = values.get(name ?? '')
    if (known) known.push(value ?? '')
    else values.set(name ?? '', [value ?? ''])
  }
  for (const each of values.values()) each.sort()
  return values
}

const directoryFormats = ['TREE_ONLY', 'DIRECTORY_ONLY', 'TREE_AND_DIRECTORY']

function fieldsOf({ action, command }: Described): ReadonlyMap<Field, string | null> {
  const { timeout, salt } = action
  return new Map<Field, string | null>([
    ['working directory', command ? command.workingDirectory : null],
    ['timeout', timeout ? `${fromDuration(timeout) / 1000} s` : null],
    ['do_not_cache', String(action.doNotCache)],
    ['salt', salt.length > 0 ? Buffer.from(salt).toString('hex') : null],
    ['output node properties', command ? command.outputNodeProperties.join(', ') : null],
    ['output directory format', command ? (directoryFormats[command.outputDirectoryFormat] ?? 'unknown') : null],
  ])
}
