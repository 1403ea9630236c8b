/** A file in git's terms: the object id is that of its blob, whether or not git stores it. */
export interface TreeFile {
  /** Slash-separated, relative to the tree's root. */
  readonly path: string
  /** 100644, 100755 or 120000 (a symbolic link). */
  readonly mode: string
  readonly id: string
}

/** Sources at one state: a commit, or a folder as it is. */
export interface SourceTree {
  /** The commit, or the one that the working tree is based on; null without git, and before the first commit. */
  readonly revision: string | null
  /** True when files differ from that commit. */
  readonly dirty: boolean
  /** Files under these paths, sorted by path; missing paths are left out. */
  files(paths: readonly string[]): Promise<readonly TreeFile[]>
  /** Does something exist there that does not count because git ignores it? */
  ignores(path: string): Promise<boolean>
  /** A small file. @throws Failure 'not-found' */
  read(path: string): Promise<Uint8Array>
  /** Writes the files under these paths into an empty folder. */
  extract(paths: readonly string[], folder: string): Promise<void>
}

/** Bytewise order, as in git, whatever the locale. */
export function byPath(a: TreeFile, b: TreeFile): number {
  return Buffer.compare(Buffer.from(a.path), Buffer.from(b.path))
}
