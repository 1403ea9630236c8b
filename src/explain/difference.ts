/** An item of a list that was changed in its place, left out, or put in. Positions count from 0: an action's program is argument 0. */
export interface ItemDifference {
  /** Position in the first list; null for an item that is only in the other. */
  readonly position: number | null
  readonly otherPosition: number | null
  readonly one: string | null
  readonly other: string | null
}

/** A variable, null where it is not set. Values whose name looks like a secret's are hidden. */
export interface VariableDifference {
  readonly name: string
  readonly one: string | null
  readonly other: string | null
}

/** A platform property, which may stand several times; empty where it is not asked for. */
export interface PropertyDifference {
  readonly name: string
  readonly one: readonly string[]
  readonly other: readonly string[]
}

/** What else an Action or a Command says, as text; null where it says nothing. */
export interface FieldDifference {
  readonly field: Field
  readonly one: string | null
  readonly other: string | null
}

export type Field =
  | 'working directory'
  | 'timeout'
  | 'do_not_cache'
  | 'salt'
  | 'output node properties'
  | 'output directory format'

/** What stands at a path of an input tree. */
export interface Entry {
  readonly kind: 'file' | 'directory' | 'symlink'
  /** `hash/size` of a file; null of the others. */
  readonly digest: string | null
  readonly executable: boolean
  /** Of a symlink; null of the others. */
  readonly target: string | null
  /** Node properties by name, the time and mode of a file among them as `mtime` and `unix_mode`. */
  readonly properties: Readonly<Record<string, string>>
}

/** A path of which the two trees say something else; null where one has nothing there. */
export interface InputDifference {
  /** From the input root; empty for the root itself. */
  readonly path: string
  readonly one: Entry | null
  readonly other: Entry | null
}

/** Something that could not be compared, because the message is not to be had. */
export interface Unknown {
  readonly what: 'command' | 'input tree'
  readonly side: 'one' | 'other'
  /** The directory of the tree, from its root; empty for the root, and for a command. */
  readonly path: string
  /** `hash/size` of the message. */
  readonly digest: string
}

/** The first differences of a kind, and how many there are beside them. */
export interface Some<T> {
  readonly first: readonly T[]
  readonly more: number
}

/** What two actions differ in. */
export interface Comparison {
  /** `hash/size` of each. */
  readonly one: string
  readonly other: string
  readonly arguments: Some<ItemDifference>
  readonly variables: Some<VariableDifference>
  readonly properties: Some<PropertyDifference>
  readonly outputs: Some<ItemDifference>
  readonly fields: readonly FieldDifference[]
  readonly inputs: Some<InputDifference>
  readonly unknown: readonly Unknown[]
  /** The trees have more directories that differ than were looked at. */
  readonly inputsCut: boolean
}

/** Differences of one kind that are named; the rest is counted. */
const namedMax = 100

/** The first of them, the others counted. */
export function some<T>(all: readonly T[]): Some<T> {
  return { first: all.slice(0, namedMax), more: Math.max(0, all.length - namedMax) }
}

/** How many differences were found. */
export function differencesOf(comparison: Comparison): number {
  const lists = [
    comparison.arguments,
    comparison.variables,
    comparison.properties,
    comparison.outputs,
    comparison.inputs,
  ]
  return lists.reduce((sum, { first, more }) => sum + first.length + more, comparison.fields.length)
}
