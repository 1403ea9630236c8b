import { type Digest, digestFromWire, digestText, sameDigest } from '../core/digest.ts'
import { Failure, ifWellFormed } from '../core/failure.ts'
import { re } from '../wire/proto.ts'
import {
  compareArguments,
  compareFields,
  compareOutputs,
  compareProperties,
  compareVariables,
  type Described,
} from './command.ts'
import { type Comparison, some, type Unknown } from './difference.ts'
import { decodeAs, type Load, loadable, loadMessage } from './load.ts'
import { compareTrees, type KnownPairs } from './tree.ts'

/** An Action, and the digests that it references. */
export interface LoadedAction extends Described {
  readonly digest: Digest
  readonly commandDigest: Digest
  readonly rootDigest: Digest
}

/**
 * Reads an Action and its Command.
 * @throws Failure 'not-found' without the Action, 'invalid' for a blob that is not one
 */
export async function loadAction(digest: Digest, load: Load): Promise<LoadedAction> {
  const action = await loadMessage(load, digest, re.Action, 'an Action')
  if (!action) throw new Failure('not-found', 'there is no such action in the cache', { where: digestText(digest) })
  const referred = referring(digest, action)
  return {
    ...referred,
    command: (await loadMessage(load, referred.commandDigest, re.Command, 'a Command')) ?? null,
  }
}

/** @throws Failure 'invalid' if it references nothing */
function referring(digest: Digest, action: re.Action): Omit<LoadedAction, 'command'> {
  return {
    digest,
    action,
    commandDigest: referred(action.commandDigest, digest, 'command_digest'),
    rootDigest: referred(action.inputRootDigest, digest, 'input_root_digest'),
  }
}

/**
 * Reads two Actions, and their Commands only if these differ: usually two actions share one.
 * @returns undefined for an Action that is not available, or is not one
 */
export async function loadBoth(
  one: Digest,
  other: Digest,
  load: Load,
): Promise<{ readonly one: LoadedAction; readonly other: LoadedAction } | undefined> {
  const bytes = await load([one, other].filter(loadable))
  const [first, second] = [actionOf(one, bytes), actionOf(other, bytes)]
  if (!first || !second) return undefined
  const same = sameDigest(first.commandDigest, second.commandDigest) && samePlatform(first.action, second.action)
  if (same) return { one: first, other: second }
  const [command, otherCommand] = await Promise.all(
    [first, second].map((each) => loadMessage(load, each.commandDigest, re.Command, 'a Command')),
  )
  return { one: { ...first, command: command ?? null }, other: { ...second, command: otherCommand ?? null } }
}

function actionOf(digest: Digest, found: ReadonlyMap<string, Uint8Array>): LoadedAction | undefined {
  const bytes = found.get(digestText(digest))
  const decoded = (action: Uint8Array) => decodeAs(re.Action, action, digestText(digest), 'an Action')
  return bytes && ifWellFormed(() => ({ ...referring(digest, decoded(bytes)), command: null }))
}

function samePlatform({ platform: one }: re.Action, { platform: other }: re.Action): boolean {
  if (!one || !other) return !one && !other
  return Buffer.compare(re.Platform.encode(one).finish(), re.Platform.encode(other).finish()) === 0
}

/** Compares two actions, and their input trees wherever those differ. */
export async function compareActions(
  one: LoadedAction,
  other: LoadedAction,
  load: Load,
  pairs?: KnownPairs,
): Promise<Comparison> {
  const tree = await compareTrees(one.rootDigest, other.rootDigest, load, pairs)
  const unknown = sameDigest(one.commandDigest, other.commandDigest)
    ? []
    : [...unknownCommand(one, 'one'), ...unknownCommand(other, 'other')]
  // If both have the same command, it may have been left unread.
  const known = one.command && other.command ? { one: one.command, other: other.command } : undefined
  // Of an unavailable message nothing is reported, not even that its fields are empty.
  const bare = (each: LoadedAction): Described => ({ action: each.action, command: known ? each.command : null })
  return {
    one: digestText(one.digest),
    other: digestText(other.digest),
    arguments: some(known ? compareArguments(known.one.arguments, known.other.arguments) : []),
    variables: some(known ? compareVariables(known.one, known.other) : []),
    properties: some(compareProperties(bare(one), bare(other))),
    outputs: some(known ? compareOutputs(known.one, known.other) : []),
    fields: compareFields(bare(one), bare(other)),
    inputs: some(tree.differences),
    unknown: [...unknown, ...tree.unknown],
    inputsCut: tree.cut,
  }
}

function unknownCommand({ command, commandDigest }: LoadedAction, side: 'one' | 'other'): Unknown[] {
  return command ? [] : [{ what: 'command', side, path: '', digest: digestText(commandDigest) }]
}

/** A blob of something else often decodes as well, but references nothing. */
function referred(wire: re.Digest.$Properties | null | undefined, action: Digest, field: string): Digest {
  try {
    return digestFromWire(wire, wire?.hash?.length === 64 && action.fn === 'blake3' ? 9 : 0, field)
  } catch (cause) {
    throw new Failure('invalid', 'the blob is not an Action', {
      where: digestText(action),
      next: ['Give the digest of an Action, such as "action" in the output of `native exec --json`.'],
      cause,
    })
  }
}
