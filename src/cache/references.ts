import { checkedDigest, type Digest, type DigestFunction, digestKey, type WireDigest } from '../core/digest.ts'
import { Failure } from '../core/failure.ts'
import { treeDirectoriesMax } from '../core/limits.ts'
import type { Blobs } from '../store/blobs.ts'
import type { ResultReferences } from './codec-result.ts'
import { createDigestLists } from './digest-lists.ts'
import { fileDigests, walkDirectories } from './directories.ts'
import type { Find } from './holding.ts'
import { treeFiles } from './tree.ts'

/** Digests that are remembered of trees, all together: some 40 MB at the most. */
const rememberedMax = 200_000
/** Blobs that one action result may refer to. */
const referencesMax = treeDirectoriesMax

/** Judges whether what an action result refers to is there. */
export interface References {
  /**
   * Those blobs that are absent, trees' contents included; touches all others (rule 19). One
   * question to the store where the trees were seen before, two where they were not.
   * @param fn the function of all digests in the result
   * @param thorough true: name every absent blob; false: may stop at the first ones
   * @param find how blobs are looked for; for an invocation, what is there is kept for it
   * @throws Failure 'invalid' for a malformed digest or tree
   */
  missing(result: ResultReferences, fn: DigestFunction, thorough: boolean, find?: Find): Promise<readonly Digest[]>
}

/** What stands behind a tree_digest or a root_directory_digest. */
interface Root {
  readonly key: string
  readonly digest: Digest
  load(): Promise<Contents>
}

interface Contents {
  /** The blobs within; an absent root or directory stands for what it holds. */
  readonly digests: readonly Digest[]
  /** False when some could not be read: then it must not be remembered. */
  readonly complete: boolean
}

/** What trees hold is remembered: their content is addressed, so it never changes. */
export function createReferences(blobs: Blobs): References {
  const remembered = createDigestLists(rememberedMax)

  return {
    async missing(result, fn, thorough, find = blobs.findMissing) {
      const direct = directDigests(result, fn)
      const unread: Root[] = []
      for (const root of rootsOf(blobs, result, fn)) {
        direct.push(root.digest)
        const within = remembered.get(root.key)
        if (within) append(direct, within)
        else unread.push(root)
      }
      const missing = await find(direct)
      if (unread.length === 0 || (missing.length > 0 && !thorough)) return missing
      return union(missing, await find(await readRoots(unread)))
    },
  }

  async function readRoots(roots: readonly Root[]): Promise<Digest[]> {
    const digests: Digest[] = []
    for (const root of roots) {
      const { digests: within, complete } = await root.load()
      if (complete) remembered.set(root.key, within)
      append(digests, within)
    }
    return digests
  }
}

function directDigests(result: ResultReferences, fn: DigestFunction): Digest[] {
  const digests = (result.outputFiles ?? []).map((file) => inner(file.digest, fn, 'output_files.digest'))
  if (result.stdoutDigest) digests.push(inner(result.stdoutDigest, fn, 'stdout_digest'))
  if (result.stderrDigest) digests.push(inner(result.stderrDigest, fn, 'stderr_digest'))
  return digests
}

function rootsOf(blobs: Blobs, result: ResultReferences, fn: DigestFunction): Root[] {
  return (result.outputDirectories ?? []).flatMap(({ treeDigest, rootDirectoryDigest }) => {
    const roots: Root[] = []
    if (treeDigest || !rootDirectoryDigest) {
      const digest = inner(treeDigest, fn, 'output_directories.tree_digest')
      roots.push({ key: `tree/${digestKey(digest)}`, digest, load: () => treeContents(blobs, digest) })
    }
    if (rootDirectoryDigest) {
      const digest = inner(rootDirectoryDigest, fn, 'output_directories.root_directory_digest')
      roots.push({ key: `directory/${digestKey(digest)}`, digest, load: () => directoryContents(blobs, digest) })
    }
    return roots
  })
}

async function treeContents(blobs: Blobs, tree: Digest): Promise<Contents> {
  const files = await treeFiles(blobs, tree)
  return { digests: files ?? [tree], complete: files !== undefined }
}

/** All directories from a root on and all of their files. */
async function directoryContents(blobs: Blobs, root: Digest): Promise<Contents> {
  const digests: Digest[] = []
  let complete = true
  for await (const { digest, found } of walkDirectories(blobs, root)) {
    digests.push(digest)
    if (found) append(digests, fileDigests(found.directory, digest))
    else complete = false
  }
  return { digests, complete }
}

function inner(wire: WireDigest | null | undefined, fn: DigestFunction, field: string): Digest {
  if (!wire) throw new Failure('invalid', `${field} is missing`)
  return checkedDigest(fn, wire.hash ?? '', wire.sizeBytes ?? 0, field)
}

function append(digests: Digest[], more: readonly Digest[]): void {
  if (digests.length + more.length > referencesMax)
    throw new Failure('invalid', `the result refers to more than ${referencesMax} blobs`)
  for (const digest of more) digests.push(digest)
}

function union(some: readonly Digest[], others: readonly Digest[]): readonly Digest[] {
  if (some.length === 0) return others
  return [...new Map([...some, ...others].map((digest) => [digestKey(digest), digest])).values()]
}
