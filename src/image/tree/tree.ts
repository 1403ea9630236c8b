/** A file as git names it: the object id is that of a blob, whether or not git stores it. */
export interface TreeFile {
  /** Slash-separated, from the tree's root. */
  readonly path: string
  /** 100644, 100755 or 120000 (a symbolic link). */
  readonly mode: string
  readonly id: string
}

/** Sources at one state: a commit, or a folder as it is. */
export interface SourceTree {
  /** The commit that it is, or that the working tree stands on; null without git, and before a first commit. */
  readonly revision: string | null
  /** True when files differ from that commit. */
  readonly dirty: boolean
  /** Files under these paths, sorted by path; paths that are not there are left out. */
  files(paths: readonly string[]): Promise<readonly TreeFile[]>
  /** Is something there that does not enter since git ignores it? */
  ignores(path: string): Promise<boolean>
  /** A small file. @throws Failure 'not-found' */
  read(path: string): Promise<Uint8Array>
  /** Writes the files under these paths into an empty folder. */
  extract(paths: readonly string[], folder: string): Promise<void>
}

/** How files are sorted: by bytes, as git does, whatever the locale. */
export function byPath(a: TreeFile, b: TreeFile): number {
  return Buffer.compare(Buffer.from(a.path), Buffer.from(b.path))
}
