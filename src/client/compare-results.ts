import { digestText, sameDigest } from '../core/digest.ts'
import { Failure } from '../core/failure.ts'
import type { ContentComparison, DifferentOutput } from '../core/output-difference.ts'
import type { re } from '../wire/proto.ts'
import type { CasClient } from './cas.ts'
import { type OutputPlan, type PlanBounds, type PlannedFile, planOutputs } from './plan.ts'

export interface CompareOptions {
  /** Says how two files differ (explain/contents). */
  readonly compareContents: (one: Uint8Array, other: Uint8Array) => ContentComparison
  /** Larger files are not compared, since both are held in memory. */
  readonly fileBytesMax?: number
  /** Those of planOutputs if absent. */
  readonly planBounds?: PlanBounds
  readonly signal: AbortSignal
}

const fileBytesUsual = 64 * 1024 * 1024
/** Outputs of an action that are named, and how many of them have their contents compared. */
const namedMax = 20
const lookedIntoMax = 5

export interface OutputsCompared {
  readonly outputs: readonly DifferentOutput[]
  readonly more: number
}

/**
 * How two results of one action differ: output files, those in output directories, symlinks.
 * @throws RpcError of a call; Failure 'invalid' for a malformed result
 */
export async function compareResults(
  cas: CasClient,
  one: re.ActionResult.$Properties,
  other: re.ActionResult.$Properties,
  options: CompareOptions,
): Promise<OutputsCompared> {
  const { signal, planBounds } = options
  const plans = [
    await planOutputs(cas, one, signal, planBounds),
    await planOutputs(cas, other, signal, planBounds),
  ] as const
  const [before, after] = plans.map(entriesOf) as [Entries, Entries]
  const paths = [...new Set([...before.keys(), ...after.keys()])].sort()
  const outputs: DifferentOutput[] = []
  let more = 0
  for (const path of paths) {
    const difference = differenceOf(path, before.get(path), after.get(path))
    if (!difference) continue
    if (outputs.length === namedMax) more += 1
    else outputs.push(difference)
  }
  return { outputs: await lookedInto(cas, outputs, before, after, options), more }
}

type Entry = { readonly file: PlannedFile } | { readonly target: string } | 'directory'
type Entries = ReadonlyMap<string, Entry>

function entriesOf({ files, symlinks, directories }: OutputPlan): Entries {
  const path = (segments: readonly string[]) => segments.join('/')
  return new Map<string, Entry>([
    ...directories.map((segments) => [path(segments), 'directory'] as const),
    ...files.map((file) => [path(file.segments), { file }] as const),
    ...symlinks.map(({ segments, target }) => [path(segments), { target }] as const),
  ])
}

function differenceOf(path: string, one: Entry | undefined, other: Entry | undefined): DifferentOutput | undefined {
  const [before, after] = [one && entryText(one), other && entryText(other)]
  const said = { path, one: before ?? null, other: after ?? null, contents: null }
  if (before === undefined) return { ...said, kind: 'only-second' }
  if (after === undefined) return { ...said, kind: 'only-first' }
  if (before !== after) return { ...said, kind: isFile(one) && isFile(other) ? 'contents' : 'target' }
  if (!isFile(one) || !isFile(other) || one.file.executable === other.file.executable) return undefined
  const mode = ({ executable }: PlannedFile) => (executable ? 'executable' : 'not executable')
  return { ...said, kind: 'executable', one: mode(one.file), other: mode(other.file) }
}

function entryText(entry: Entry): string {
  if (entry === 'directory') return entry
  return isFile(entry) ? digestText(entry.file.digest) : `symlink to ${entry.target}`
}

function isFile(entry: Entry | undefined): entry is { readonly file: PlannedFile } {
  return typeof entry === 'object' && 'file' in entry
}

async function lookedInto(
  cas: CasClient,
  outputs: readonly DifferentOutput[],
  before: Entries,
  after: Entries,
  options: CompareOptions,
): Promise<DifferentOutput[]> {
  let looked = 0
  const told: DifferentOutput[] = []
  for (const output of outputs) {
    const [one, other] = [before.get(output.path), after.get(output.path)]
    const wanted = output.kind === 'contents' && isFile(one) && isFile(other) && looked < lookedIntoMax
    if (wanted) looked += 1
    told.push(wanted ? { ...output, contents: await contentsOf(cas, one.file, other.file, options) } : output)
  }
  return told
}

async function contentsOf(
  cas: CasClient,
  one: PlannedFile,
  other: PlannedFile,
  { compareContents, fileBytesMax = fileBytesUsual, signal }: CompareOptions,
): Promise<ContentComparison | null> {
  if (one.digest.size > fileBytesMax || other.digest.size > fileBytesMax || sameDigest(one.digest, other.digest))
    return null
  try {
    return compareContents(await cas.readBlob(one.digest, signal), await cas.readBlob(other.digest, signal))
  } catch (error) {
    // They differ even if the cache has evicted them meanwhile.
    if (error instanceof Failure && error.kind === 'not-found') return null
    throw error
  }
}
