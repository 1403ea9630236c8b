import { type Digest, digestText } from '../../src/core/digest.ts'
import type { Load } from '../../src/explain/load.ts'
import { re } from '../../src/wire/proto.ts'
import { blobOf } from '../fixture/blob.ts'

/** A folder to make a tree of: a name and its contents, a folder, `{ target }` of a symlink, or `{ run }` of a program. */
export interface Folder {
  readonly [name: string]: string | Folder | Link | Program
}
interface Link {
  readonly target: string
}
interface Program {
  readonly run: string
}

/** Blobs as a cache has them. */
export interface Shelf {
  readonly load: Load
  /** Digests that were asked for. */
  readonly asked: Set<string>
  put(bytes: Uint8Array): Digest
  get(digest: Digest): Uint8Array
  /** A tree of these files; digest of its root. */
  tree(folder: Folder): Digest
  action(command: re.Command.$Properties, folder?: Folder, action?: re.Action.$Properties): Digest
  forget(digest: Digest): void
}

export function createShelf(): Shelf {
  const blobs = new Map<string, Uint8Array>()
  const asked = new Set<string>()
  const put = (bytes: Uint8Array): Digest => {
    const { digest } = blobOf(bytes)
    blobs.set(digestText(digest), bytes)
    return digest
  }
  const tree = (folder: Folder): Digest => {
    const named = Object.entries(folder).toSorted(([a], [b]) => (a < b ? -1 : 1))
    const message: re.Directory.$Properties = {
      files: named.flatMap(([name, what]) => {
        if (typeof what === 'string') return [{ name, digest: wire(blobOf(what).digest) }]
        return isProgram(what) ? [{ name, digest: wire(blobOf(what.run).digest), isExecutable: true }] : []
      }),
      symlinks: named.flatMap(([name, what]) => (isLink(what) ? [{ name, target: what.target }] : [])),
      directories: named.flatMap(([name, what]) =>
        typeof what === 'string' || isLink(what) || isProgram(what) ? [] : [{ name, digest: wire(tree(what)) }],
      ),
    }
    return put(re.Directory.encode(message).finish())
  }
  return {
    asked,
    put,
    get: (digest) => blobs.get(digestText(digest)) ?? new Uint8Array(),
    tree,
    async load(digests) {
      const found = new Map<string, Uint8Array>()
      for (const digest of digests) {
        const key = digestText(digest)
        asked.add(key)
        const bytes = blobs.get(key)
        if (bytes) found.set(key, bytes)
      }
      return found
    },
    action: (command, folder = {}, action = {}) =>
      put(
        re.Action.encode({
          ...action,
          commandDigest: wire(put(re.Command.encode(command).finish())),
          inputRootDigest: wire(tree(folder)),
        }).finish(),
      ),
    forget: (digest) => void blobs.delete(digestText(digest)),
  }
}

export function isLink(what: Folder[string]): what is Link {
  return typeof what === 'object' && typeof (what as Partial<Link>).target === 'string'
}

export function isProgram(what: Folder[string]): what is Program {
  return typeof what === 'object' && typeof (what as Partial<Program>).run === 'string'
}

function wire({ hash, size }: Digest): re.Digest.$Properties {
  return { hash, sizeBytes: size }
}
