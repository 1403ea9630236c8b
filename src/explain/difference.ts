/**
 * An item of a list that was changed in place, removed or added. Positions count from 0: an action's program is
 * argument 0.
 */
export interface ItemDifference {
  /** Position in the first list; null for an item only in the other. */
  readonly position: number | null
  readonly otherPosition: number | null
  readonly one: string | null
  readonly other: string | null
}

/** A variable, null where it is not set. Values of variables with secret-looking names are hidden. */
export interface VariableDifference {
  readonly name: string
  readonly one: string | null
  readonly other: string | null
}

/** A platform property, which may be repeated; empty where it is not requested. */
export interface PropertyDifference {
  readonly name: string
  readonly one: readonly string[]
  readonly other: readonly string[]
}

/** Any other field of an Action or a Command, as text; null where it is not set. */
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

/** The entry at a path of an input tree. */
export interface Entry {
  readonly kind: 'file' | 'directory' | 'symlink'
  /** `hash/size` of a file; otherwise null. */
  readonly digest: string | null
  readonly executable: boolean
  /** Of a symlink; otherwise null. */
  readonly target: string | null
  /** Node properties by name, including a file's time and mode as `mtime` and `unix_mode`. */
  readonly properties: Readonly<Record<string, string>>
}

/** A path at which the two trees differ; null where one has nothing there. */
export interface InputDifference {
  /** From the input root; empty for the root itself. */
  readonly path: string
  readonly one: Entry | null
  readonly other: Entry | null
}

/** Something that could not be compared because its message is not available. */
export interface Unknown {
  readonly what: 'command' | 'input tree'
  readonly side: 'one' | 'other'
  /** The directory of the tree, relative to its root; empty for the root, and for a command. */
  readonly path: string
  /** `hash/size` of the message. */
  readonly digest: string
}

/** The first differences of a kind, and the number of further ones. */
export interface Some<T> {
  readonly first: readonly T[]
  readonly more: number
}

/** How two actions differ. */
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
  /** More directories differ than were compared. */
  readonly inputsCut: boolean
}

/** Differences of one kind that are listed; the rest are counted. */
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
