import type { ActionRecord } from '../core/build-history.ts'
import type { Digest } from '../core/digest.ts'
import { Failure } from '../core/failure.ts'
import type { re } from '../wire/proto.ts'
import { type Answer, ok } from './answer.ts'
import type { Sources } from './sources.ts'
import { directoryTree, resultTree, type Tree } from './tree.ts'
import { type Side, treePage } from './tree-page.ts'

/** Limit for loading the listing of an output directory. */
const listBytesMax = 16 * 1024 * 1024

/**
 * A folder of an action's inputs or outputs, or a file in them to download: only what belongs to this action, by path.
 * @throws Failure 'not-found' if there is nothing at the path, or it is gone
 */
export async function browsed(
  sources: Sources,
  action: ActionRecord,
  side: Side,
  asked: readonly string[],
  signal: AbortSignal,
): Promise<Answer> {
  const path = asked.filter((each) => each !== '')
  const found = await (await treeOf(sources, action, side, signal)).at(path)
  if (!found) throw new Failure('not-found', `this action has no such ${side === 'inputs' ? 'input' : 'output'}`)
  if ('folder' in found) return ok(treePage(action, side, path, found.folder))
  const { digest, name } = found.entry
  if (!digest) throw new Failure('invalid', 'this is a symlink, which has no contents of its own')
  return { name, size: digest.size, pieces: sources.contents.read(digest, action.instance, signal) }
}

/** The result of an action; undefined if the cache has none, or is unreachable. */
export async function resultOf(
  { contents }: Sources,
  { digest, instance, outcome }: ActionRecord,
  signal: AbortSignal,
): Promise<re.ActionResult | undefined> {
  // Only successful results are kept.
  if (outcome === 'failed') return undefined
  try {
    return await contents.result(digest, instance, signal)
  } catch (error) {
    if (error instanceof Failure && error.kind === 'unavailable') return undefined
    throw error
  }
}

async function treeOf(sources: Sources, action: ActionRecord, side: Side, signal: AbortSignal): Promise<Tree> {
  const { history } = sources
  const kept = (digest: Digest) => history.blob(digest)
  if (side === 'inputs') {
    if (action.inputRoot) return directoryTree(action.inputRoot, kept)
    throw new Failure(
      'not-found',
      'what this action reads is not known: the Action was not in the cache when it was looked for',
    )
  }
  const result = await resultOf(sources, action, signal)
  if (result) return resultTree(result, action.digest.fn, (digest) => list(sources, digest, action.instance, signal))
  throw new Failure('not-found', 'the cache has no result of this action', {
    next: ['Results of actions that failed are not kept, and others may have been evicted.'],
  })
}

async function list({ contents }: Sources, digest: Digest, instance: string, signal: AbortSignal) {
  if (digest.size > listBytesMax) throw new Failure('invalid', `the list of this folder has ${digest.size} bytes`)
  const pieces: Uint8Array[] = []
  try {
    for await (const piece of contents.read(digest, instance, signal)) pieces.push(piece)
  } catch (error) {
    if (error instanceof Failure && error.kind === 'not-found') return undefined
    throw error
  }
  return Buffer.concat(pieces)
}
