import type { Digest, DigestFunction } from '../core/digest.ts'
import { checkName, compareNames } from '../core/directory.ts'
import { Failure } from '../core/failure.ts'
import { digestOf } from '../core/hash.ts'
import { batchBytesMax, treeDepthMax } from '../core/limits.ts'
import { re } from '../wire/proto.ts'

/** An entry in a folder. */
export type Node =
  | { readonly kind: 'file'; readonly digest: Digest; readonly executable: boolean }
  | { readonly kind: 'link'; readonly target: string }
  | Folder

export interface Folder {
  readonly kind: 'folder'
  readonly entries: Map<string, Node>
}

const pathLengthMax = 4096

export function emptyFolder(): Folder {
  return { kind: 'folder', entries: new Map() }
}

/**
 * The segments of a path in an archive; a leading slash or `./` is ignored.
 * @throws Failure 'invalid' for one that leads out, or is not a possible name
 */
export function segmentsOf(path: string): readonly string[] {
  const segments = path.split('/').filter((segment) => segment !== '' && segment !== '.')
  if (path.length > pathLengthMax || segments.length > treeDepthMax)
    throw new Failure('invalid', `a path of ${path.length} characters is too long`)
  for (const segment of segments) checkName(segment)
  return segments
}

/** The node at a path; undefined if there is none. No link is followed. */
export function nodeAt(root: Folder, segments: readonly string[]): Node | undefined {
  let node: Node | undefined = root
  for (const segment of segments) node = node?.kind === 'folder' ? node.entries.get(segment) : undefined
  return node
}

/**
 * Puts a node at a path and makes the folders above it. As when an archive is unpacked to disk, later entries replace
 * earlier ones, and a folder that comes again stays as it is.
 * @throws Failure 'invalid' where a folder would replace something else, or the other way round
 */
export function put(root: Folder, segments: readonly string[], node: Node): void {
  let folder = root
  for (const [depth, segment] of segments.entries()) {
    const before = folder.entries.get(segment)
    const isLast = depth === segments.length - 1
    const next: Node = isLast ? node : (before ?? emptyFolder())
    if ((before && (before.kind === 'folder') !== (next.kind === 'folder')) || (!isLast && next.kind !== 'folder'))
      throw new Failure('invalid', 'the same path is a folder in one place and something else in another', {
        where: segments.join('/').slice(0, 200),
      })
    if (before?.kind !== 'folder') folder.entries.set(segment, next)
    const now = folder.entries.get(segment)
    if (now?.kind === 'folder') folder = now
  }
}

/**
 * Makes canonical Directory messages for a folder and all below it.
 * @param store stores the bytes of one
 * @returns the digest of the folder itself
 * @throws Failure 'invalid' for a folder with too many entries for a message
 */
export async function storeDirectories(
  folder: Folder,
  fn: DigestFunction,
  store: (digest: Digest, bytes: Uint8Array) => Promise<void>,
): Promise<Digest> {
  const message = {
    files: [] as re.FileNode.$Properties[],
    directories: [] as re.DirectoryNode.$Properties[],
    symlinks: [] as re.SymlinkNode.$Properties[],
  }
  for (const [name, node] of [...folder.entries].sort(([a], [b]) => compareNames(a, b)))
    if (node.kind === 'file') message.files.push({ name, digest: wire(node.digest), isExecutable: node.executable })
    else if (node.kind === 'link') message.symlinks.push({ name, target: node.target })
    else message.directories.push({ name, digest: wire(await storeDirectories(node, fn, store)) })
  const bytes = re.Directory.encode(message).finish()
  if (bytes.length > batchBytesMax)
    throw new Failure('invalid', `a folder has ${folder.entries.size} entries, which is too many for one message`)
  const digest = digestOf(fn, bytes)
  await store(digest, bytes)
  return digest
}

function wire({ hash, size }: Digest): { hash: string; sizeBytes: number } {
  return { hash, sizeBytes: size }
}
