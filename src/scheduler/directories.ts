import { nodeDigest, parseDirectory } from '../client/tree.ts'
import { type Digest, digestKey } from '../core/digest.ts'

/** What the check of an input tree needs to know of one Directory. */
export interface DirectoryFacts {
  readonly files: readonly Digest[]
  readonly directories: readonly Digest[]
  /** The name of a symlink with an absolute target, if there is one (rule 41). */
  readonly absoluteLink: string | undefined
}

/**
 * Directories that have been read and checked, least recently used evicted first; keyed by content, so never out of
 * date.
 */
export interface DirectoryCache {
  get(digest: Digest): DirectoryFacts | undefined
  /**
   * Checks a Directory and remembers its facts.
   * @throws Failure 'invalid' when it is not a canonical Directory
   */
  add(digest: Digest, bytes: Uint8Array): DirectoryFacts
}

/** The empty Directory is the empty blob. */
const nothing: DirectoryFacts = { files: [], directories: [], absoluteLink: undefined }

/** @param digestsMax how many digests all directories in it may name: about 200 bytes each */
export function createDirectoryCache(digestsMax: number): DirectoryCache {
  const known = new Map<string, DirectoryFacts>()
  let weight = 0

  function trim(): void {
    for (const [key, facts] of known) {
      if (weight <= digestsMax) return
      known.delete(key)
      weight -= weightOf(facts)
    }
  }

  return {
    get(digest) {
      if (digest.size === 0) return nothing
      const key = digestKey(digest)
      const facts = known.get(key)
      if (!facts) return undefined
      known.delete(key)
      known.set(key, facts)
      return facts
    },
    add(digest, bytes) {
      const facts = factsOf(digest, bytes)
      const key = digestKey(digest)
      if (!known.has(key)) weight += weightOf(facts)
      known.set(key, facts)
      trim()
      return facts
    },
  }
}

function factsOf(digest: Digest, bytes: Uint8Array): DirectoryFacts {
  const directory = parseDirectory(digest, bytes)
  return {
    files: directory.files.map((node) => nodeDigest(node, digest)),
    directories: directory.directories.map((node) => nodeDigest(node, digest)),
    absoluteLink: directory.symlinks.find((link) => link.target?.startsWith('/'))?.name ?? undefined,
  }
}

function weightOf(facts: DirectoryFacts): number {
  return 1 + facts.files.length + facts.directories.length
}
