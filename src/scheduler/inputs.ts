import type { CasClient } from '../client/cas.ts'
import { type Digest, digestText } from '../core/digest.ts'
import { digestGroups } from '../core/digest-groups.ts'
import { Failure } from '../core/failure.ts'
import { batchBytesMax, treeDepthMax, treeDirectoriesMax } from '../core/limits.ts'
import type { DirectoryCache, DirectoryFacts } from './directories.ts'
import { prefetchedBytesMax } from './prefetched.ts'

/** A Directory of this size has some 300,000 entries. */
const directoryBytesMax = 32 * 1024 * 1024
/** Bytes of Directories that are read into memory at once; a single larger one is still read. */
const readBytesMax = 4 * batchBytesMax
/** Entries of all distinct directories of one tree. */
const entriesMax = 4_000_000

/** What the walk through an input tree found. */
export interface InputTree {
  /** Directories missing from storage; what is below them is unknown. */
  readonly missing: readonly Digest[]
  /** Files, and directories that were known already and so not read: their existence is still to be checked. */
  readonly unseen: readonly Digest[]
  /** The first directory with a symlink to an absolute path, and the symlink's name. */
  readonly absoluteLink: string | undefined
  /** The bytes of directories that were read, upper levels first, up to what an action may carry. */
  readonly read: readonly Uint8Array[]
}

/**
 * Walks the whole input tree (rule 25), level by level; each distinct directory counts once, so that a tree with
 * repetition costs no more than its distinct parts.
 * @param read blobs that have already been read, by `hash/size`
 * @throws Failure 'invalid' for a malformed Directory, or a tree beyond the limits
 */
export async function walkInputs(
  cas: Pick<CasClient, 'readBlobs'>,
  cache: DirectoryCache,
  root: Digest,
  read: ReadonlyMap<string, Uint8Array>,
): Promise<InputTree> {
  const missing: Digest[] = []
  const unseen: Digest[] = []
  const reached = new Set<string>([digestText(root)])
  let absoluteLink: string | undefined
  let level: Digest[] = [root]
  const handedOn: Uint8Array[] = []
  let handedOnBytes = 0

  function learn(digest: Digest, bytes: Uint8Array, children: Digest[]): void {
    visit(digest, cache.add(digest, bytes), children)
    if (handedOnBytes + bytes.byteLength > prefetchedBytesMax) return
    handedOnBytes += bytes.byteLength
    handedOn.push(bytes)
  }

  function visit(digest: Digest, facts: DirectoryFacts, children: Digest[]): void {
    if (facts.absoluteLink !== undefined) absoluteLink ??= `${facts.absoluteLink} in ${digestText(digest)}`
    for (const file of facts.files) unseen.push(file)
    for (const child of facts.directories) {
      const key = digestText(child)
      if (reached.has(key)) continue
      reached.add(key)
      children.push(child)
    }
    if (reached.size > treeDirectoriesMax || unseen.length > entriesMax)
      throw new Failure(
        'invalid',
        `the input tree has more than ${treeDirectoriesMax} directories or ${entriesMax} files`,
      )
  }

  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > treeDepthMax)
      throw new Failure('invalid', `the input tree is deeper than ${treeDepthMax} directories`, {
        where: digestText(root),
      })
    const children: Digest[] = []
    const unknown: Digest[] = []
    for (const digest of level) {
      const bytes = read.get(digestText(digest))
      const facts = cache.get(digest)
      if (bytes) learn(digest, bytes, children)
      else if (facts) {
        unseen.push(digest)
        visit(digest, facts, children)
      } else unknown.push(digest)
    }
    for (const each of unknown) assertDirectorySize(each)
    for (const part of digestGroups(unknown, { bytesMax: readBytesMax })) {
      const blobs = await cas.readBlobs(part)
      for (const digest of part) {
        const bytes = blobs.get(digestText(digest))
        if (bytes) learn(digest, bytes, children)
        else missing.push(digest)
      }
    }
    level = children
  }
  return { missing, unseen, absoluteLink, read: handedOn }
}

/**
 * Checks the size that a Directory claims, before anything is read.
 * @throws Failure 'invalid'
 */
export function assertDirectorySize(digest: Digest): void {
  if (digest.size > directoryBytesMax)
    throw new Failure('invalid', `a Directory may have at most ${directoryBytesMax} bytes`, {
      where: digestText(digest),
    })
}
